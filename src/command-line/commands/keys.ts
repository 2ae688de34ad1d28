import { readConfig } from '../../platform/config.ts';
import { readKeyUse } from '../../platform/key-use.ts';
import type { SealedColumn } from '../../platform/sealed-column.ts';
import { type Command, DONE, REFUSED } from '../command.ts';
import { keyRingAsWritten, keyRingInUse, withDatabase } from '../operator.ts';
import { reseal } from '../reseal.ts';

/** Owns the sealing of stored secrets under the first data key. The acts on signing keys come from the routes of the admin API. */

export const RESEAL: Command = {
  noun: 'keys',
  verb: 'reseal',
  summary: 'Seal what an older key of DATA_ENCRYPTION_KEYS sealed under the key that is in use',
  notes: `  Sealed are the private signing keys, the secrets of authenticator apps, the credentials at upstream providers and the tokens from there. Run it after
  munjigi keys use, before you drop the older key. The exit code is 1 while a row is left that needs the older key.`,
  run: ({ installed }) => resealAll(installed.sealedColumns),
};

/** @returns 1 when something is left, so that the operator does not drop a key too soon. */
function resealAll(columns: readonly SealedColumn[]): Promise<number> {
  return withDatabase(async (database) => {
    const config = readConfig();
    const keyRing = keyRingInUse(config, await readKeyUse(database));
    if (keyRing.newest !== keyRingAsWritten(config).newest)
      throw new Error('the first key in DATA_ENCRYPTION_KEYS is not in use yet: run munjigi keys use once every node was started with it');
    let left = 0;
    for (const column of columns) {
      const { resealed, busy, unreadable } = await reseal(database, keyRing, column);
      left += busy + unreadable;
      const parts = [
        `${resealed} sealed again`,
        ...(busy ? [`${busy} in use: run it again`] : []),
        ...(unreadable ? [`${unreadable} that no key in DATA_ENCRYPTION_KEYS opens`] : []),
      ];
      console.log(`${column.table}.${column.column}: ${parts.join(', ')}`);
    }
    return left ? REFUSED : DONE;
  });
}
