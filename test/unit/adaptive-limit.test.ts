import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAdaptiveLimit } from '../../src/platform/adaptive-limit.ts';

const OPTIONS = { least: 10, start: 40, most: 200, lateMs: 750 };

/** A simulated database with its own clock. @param takesMs duration of a statement, by the number under way. */
function trial(takesMs: (underWay: number) => number) {
  let now = 0;
  const limit = createAdaptiveLimit(OPTIONS, () => now);
  return {
    limit,
    /** Runs rounds with as many statements as the limit allows or the caller asks for. @returns the limit after each round. */
    rounds(count: number, { asked = OPTIONS.most * 2, takes = takesMs } = {}): number[] {
      return Array.from({ length: count }, () => {
        const underWay = Math.min(asked, limit.statements);
        const sentAt = now;
        now += takes(underWay);
        // Each answered statement is followed by another one.
        for (let n = 0; n < underWay; n++) limit.answered(sentAt, Math.min(asked, limit.statements));
        now += 1;
        return limit.statements;
      });
    },
  };
}

describe('The limit of statements under way', () => {
  it('grows to the maximum while latency does not depend on it, with a near and with a far database', () => {
    for (const ms of [1, 200, 700]) {
      const { limit, rounds } = trial(() => ms);
      rounds(20);
      assert.equal(limit.statements, OPTIONS.most, `${ms} ms`);
    }
  });

  it('does not change while fewer statements are asked for', () => {
    const { limit, rounds } = trial(() => 5);
    rounds(300, { asked: 8 });
    assert.equal(limit.statements, OPTIONS.start);
  });

  it('settles at as many statements as are answered in time, when statements wait for one another', () => {
    const { rounds } = trial((underWay) => underWay * 20);
    const settled = rounds(200).slice(-50);
    assert(Math.max(...settled) * 20 <= OPTIONS.lateMs * 1.25, `${Math.max(...settled)}`);
    assert(Math.min(...settled) * 20 >= OPTIONS.lateMs * 0.5, `${Math.min(...settled)}`);
  });

  it('drops at once below the number under way, once per group, and never below the minimum', () => {
    const { rounds } = trial(() => 5);
    rounds(20);
    const late = { asked: 40, takes: () => 1_500 };
    assert.deepEqual(rounds(1, late), [30]);
    assert.equal(rounds(20, late).at(-1), OPTIONS.least);
    assert.equal(rounds(40).at(-1), OPTIONS.most, 'and grows again once answers come in time');
  });

  it('estimates how long a statement will wait, from earlier durations', () => {
    const { limit, rounds } = trial(() => 100);
    rounds(20);
    assert(Math.abs(limit.tookMs - 100) < 1);
    assert(Math.abs(limit.waitMs(9, 10) - 100) < 1);
    assert(limit.waitMs(0, 0) <= 100);
  });
});
