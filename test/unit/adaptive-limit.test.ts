import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAdaptiveLimit } from '../../src/platform/adaptive-limit.ts';

const OPTIONS = { least: 10, start: 40, most: 200, lateMs: 750 };

/** A database on a clock of its own. @param takesMs what a statement takes when so many are under way. */
function trial(takesMs: (underWay: number) => number) {
  let now = 0;
  const limit = createAdaptiveLimit(OPTIONS, () => now);
  return {
    limit,
    /** Rounds in which as many statements run as the limit allows, or as are asked. @returns the limit after each. */
    rounds(count: number, { asked = OPTIONS.most * 2, takes = takesMs } = {}): number[] {
      return Array.from({ length: count }, () => {
        const underWay = Math.min(asked, limit.statements);
        const sentAt = now;
        now += takes(underWay);
        // In the place of each that was answered comes another.
        for (let n = 0; n < underWay; n++) limit.answered(sentAt, Math.min(asked, limit.statements));
        now += 1;
        return limit.statements;
      });
    },
  };
}

describe('The limit of statements under way', () => {
  it('grows to the most while latency does not depend on it, whether the database is near or far', () => {
    for (const ms of [1, 200, 700]) {
      const { limit, rounds } = trial(() => ms);
      rounds(20);
      assert.equal(limit.statements, OPTIONS.most, `${ms} ms`);
    }
  });

  it('stays where it is while fewer are asked for', () => {
    const { limit, rounds } = trial(() => 5);
    rounds(300, { asked: 8 });
    assert.equal(limit.statements, OPTIONS.start);
  });

  it('settles where statements only wait for one another, at as many as are answered in time', () => {
    const { rounds } = trial((underWay) => underWay * 20);
    const settled = rounds(200).slice(-50);
    assert(Math.max(...settled) * 20 <= OPTIONS.lateMs * 1.25, `${Math.max(...settled)}`);
    assert(Math.min(...settled) * 20 >= OPTIONS.lateMs * 0.5, `${Math.min(...settled)}`);
  });

  it('falls at once to below what was under way, once for all that were, and never below the least', () => {
    const { rounds } = trial(() => 5);
    rounds(20);
    const late = { asked: 40, takes: () => 1_500 };
    assert.deepEqual(rounds(1, late), [30]);
    assert.equal(rounds(20, late).at(-1), OPTIONS.least);
    assert.equal(rounds(40).at(-1), OPTIONS.most, 'and grows again once answers come in time');
  });

  it('tells how long a statement will wait, by what others took', () => {
    const { limit, rounds } = trial(() => 100);
    rounds(20);
    assert(Math.abs(limit.tookMs - 100) < 1);
    assert(Math.abs(limit.waitMs(9, 10) - 100) < 1);
    assert(limit.waitMs(0, 0) <= 100);
  });
});
