import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readOptions } from '../../scripts/faults/options.ts';
import { asTable } from '../../scripts/faults/report.ts';

describe('npm run faults', () => {
  it('plays those that are named, in any case, and all without names', () => {
    assert.deepEqual(readOptions(['f3'], ['F3', 'F8'])?.faults, ['F3']);
    assert.deepEqual(readOptions([], ['F3', 'F8']), { faults: ['F3', 'F8'], write: false, rounds: 5, full: false });
  });

  it('refuses a fault that it does not know, and an option without sense, with a sentence', () => {
    for (const [args, sentence] of [
      [['F3', 'F99'], 'there is no fault F99: known are F3, F8'],
      [['--rounds', '0'], '--rounds must be a number above 0, not 0'],
    ] as const)
      assert.throws(() => readOptions([...args], ['F3', 'F8']), { message: sentence });
  });

  it('leaves blank what was not counted, and says why a fault was not measured', () => {
    const fault = { title: 'a fault', passes: '', postgres: '18.4', seconds: 1 };
    const outcome = { did: 'done', facts: 2_000, lost: 0, broken: [] };
    const table = asTable([
      { id: 'F1', ...fault, verdict: 'held', outcome, why: '' },
      { id: 'F2', ...fault, verdict: 'not measured', why: 'HAProxy is not installed' },
    ]);
    assert.deepEqual(table.split('\n').slice(2), [
      '| F1 | a fault | done |  |  |  |  | 0 of 2,000 |  | PostgreSQL 18.4 | held |',
      '| F2 | a fault |  |  |  |  |  |  |  |  | not measured: HAProxy is not installed |',
    ]);
  });
});
