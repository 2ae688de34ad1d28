import { z } from 'zod';
import { replaceSigningKeys, rotateSigningKeys } from '../../../oauth/keys/signing-keys.ts';
import { type Act, done, NOTHING, recordActEvent } from '../../../pages/operators/act.ts';
import { keysUsedNow } from '../../../platform/key-use.ts';

/** Owns the operators' acts on the signing keys. */

const ROTATED = z.object({
  keys: z.array(z.object({ algorithm: z.string(), kid: z.string(), made: z.boolean(), signs_from: z.iso.datetime() })),
});

export const rotateKeys: Act<object, z.infer<typeof ROTATED>> = {
  summary: 'Create the next key of each algorithm. It is published at once and signs from an hour later',
  scope: 'admin:keys',
  input: NOTHING,
  result: ROTATED,
  async run(app) {
    const rotated = await rotateSigningKeys(app.database, app.keyRing, [
      recordActEvent(app, { type: 'keys_rotated', detail: { now: false } }),
    ]);
    return done({
      keys: rotated.map(({ algorithm, made, next }) => ({ algorithm, kid: next.kid, made, signs_from: next.activeAt.toISOString() })),
    });
  },
};

const REPLACED = z.object({ replaced: z.literal(true) });

export const replaceKeys: Act<object, z.infer<typeof REPLACED>> = {
  summary: 'Replace leaked keys: new keys sign at once, and tokens signed with the old keys become invalid',
  scope: 'admin:keys',
  input: NOTHING,
  result: REPLACED,
  async run(app) {
    await replaceSigningKeys(app.database, app.keyRing, [recordActEvent(app, { type: 'keys_rotated', detail: { now: true } })]);
    return done({ replaced: true });
  },
};

const USED = z.object({ used: z.array(z.object({ kind: z.enum(['cookie', 'data']), id: z.string() })) });

export const useKeys: Act<object, z.infer<typeof USED>> = {
  summary: 'Confirm that every node has the newest key of COOKIE_KEYS and DATA_ENCRYPTION_KEYS. All nodes then encrypt and sign with it',
  scope: 'admin:keys',
  input: NOTHING,
  result: USED,
  async run(app) {
    const [used] = await app.database.transaction([keysUsedNow(), recordActEvent(app, { type: 'keys_used' })]);
    return done({ used: used as z.infer<typeof USED>['used'] });
  },
};
