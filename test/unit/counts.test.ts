import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createCounts, keepCountsWritten, labelsOf } from '../../src/audit/counts.ts';

const HOUR_MS = 3_600_000;

describe('Counts in memory', () => {
  it('are added up by hour, name and label, and are taken once', () => {
    let now = 10 * HOUR_MS;
    const counts = createCounts(() => now);
    counts.add('token', 'refresh_token');
    now += HOUR_MS - 1;
    counts.add('token', 'refresh_token');
    now += 1;
    counts.add('token', 'refresh_token');
    assert.deepEqual(
      counts.take().map(({ hour, name, label, count }) => [hour.getTime(), name, label, count]),
      [
        [10 * HOUR_MS, 'token', 'refresh_token', 2],
        [11 * HOUR_MS, 'token', 'refresh_token', 1],
      ],
    );
    assert.deepEqual(counts.take(), []);
  });

  it('that could not be written are added to later ones', () => {
    const counts = createCounts(() => 0);
    counts.add('error', 'invalid_grant');
    const taken = counts.take();
    counts.add('error', 'invalid_grant');
    counts.giveBack(taken);
    assert.deepEqual(
      counts.take().map(({ count }) => count),
      [2],
    );
  });

  it('wait while the database does not answer, and are written later', async () => {
    const counts = createCounts(() => 0);
    counts.add('token', 'refresh_token');
    const warned: unknown[] = [];
    const log = { warn: (line: unknown) => warned.push(line) } as never;
    const down = { change: () => Promise.reject(new Error('down')) } as never;
    await keepCountsWritten({ counts, database: down, log }).stop();
    assert.deepEqual(warned, [{ event: 'counts_wait', reason: 'down' }]);
    const written: unknown[] = [];
    const up = { change: async ({ values }: { values: unknown[] }) => void written.push(values) } as never;
    await keepCountsWritten({ counts, database: up, log }).stop();
    assert.deepEqual(written, [[['1970-01-01T00:00:00.000Z'], ['token'], ['refresh_token'], [1]]]);
    await keepCountsWritten({ counts, database: up, log }).stop();
    assert.equal(written.length, 1, 'nothing to write is no statement');
  });

  it('have a bounded set of labels for any input', () => {
    const counts = createCounts(() => 0);
    for (let n = 0; n < 1_000; n++) counts.add('error', `invalid_${n}`);
    for (const strange of [undefined, '', '__proto__', 'constructor', '\0', 'password']) counts.add('error', strange);
    counts.add('token', 'urn:ietf:params:oauth:grant-type:device_code');
    assert.deepEqual(
      counts.take().map(({ name, label, count }) => [name, label, count]),
      [
        ['error', 'other', 1_006],
        ['token', 'device_code', 1],
      ],
    );
    assert.ok(labelsOf('error').includes('other'));
  });
});
