import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Moments, scheduleOf } from '../../src/oauth/keys/key-schedule.ts';

const KEPT_SECONDS = 60;
const at = (second: number) => new Date(1_800_000_000_000 + second * 1000);
const key = (kid: string, activeAt: number, retiredAt?: number, algorithm = 'ES256'): Moments => ({
  kid,
  algorithm,
  activeAt: at(activeAt),
  retiredAt: retiredAt === undefined ? null : at(retiredAt),
});

/** The published keys in order, each with its phase, and the time of the next change. */
function look(keys: Moments[], second: number) {
  const { phases, published, changesAt } = scheduleOf(keys, at(second), KEPT_SECONDS);
  return [published.map((one) => `${one.kid} ${phases.get(one)}`).join(', '), changesAt && (changesAt.getTime() - at(0).getTime()) / 1000];
}

describe('The schedule of signing keys', () => {
  it('publishes a key before it signs, signs with it from its start, and publishes its predecessor until its signatures have expired', () => {
    const keys = [key('new', 100), key('old', 0, 100)];
    assert.deepEqual(look(keys, 0), ['old signing, new next', 100]);
    assert.deepEqual(look(keys, 99), ['old signing, new next', 100]);
    assert.deepEqual(look(keys, 100), ['new signing, old retired', 160]);
    assert.deepEqual(look(keys, 159), ['new signing, old retired', 160]);
    assert.deepEqual(look(keys, 160), ['new signing', undefined]);
    assert.equal(scheduleOf(keys, at(160), KEPT_SECONDS).phases.get(keys[1] as Moments), 'gone');
  });

  it('has one signing key per algorithm, before all others', () => {
    const keys = [key('e2', 50), key('r1', 0, undefined, 'RS256'), key('e1', 0, 50)];
    assert.deepEqual(look(keys, 10), ['r1 signing, e1 signing, e2 next', 50]);
    assert.deepEqual(look(keys, 50), ['e2 signing, r1 signing, e1 retired', 110]);
  });

  it('always has a signing key: the nearest starts early, or the last one continues', () => {
    assert.deepEqual(look([key('far', 90), key('near', 80)], 0), ['near signing, far next', 80]);
    assert.deepEqual(look([key('older', 0, 10), key('newer', 5, 10)], 500), ['newer signing', undefined]);
  });

  it('signs with the newer of two active keys, and keeps the other without a retirement date', () => {
    assert.deepEqual(look([key('a', 0), key('b', 5)], 1_000_000), ['b signing, a retired', undefined]);
  });

  it('does not depend on the order of the rows', () => {
    const keys = [key('b', 0), key('a', 0), key('c', 50)];
    assert.deepEqual(look(keys, 10), look(keys.toReversed(), 10));
  });
});
