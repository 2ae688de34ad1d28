import { exportJWK, generateKeyPair, type JWK } from 'jose';
import type { Database } from '../platform/database.ts';
import { type KeyRing, randomSecret } from '../platform/secrets.ts';

/**
 * Owns the keys that sign: RS256 for ID Tokens, which every client understands (OIDC Core section 15.1), and ES256 for access tokens.
 * Private keys are in the database, sealed under the key ring. A retired key stays published while tokens it signed are about.
 */

const ALGORITHMS = ['RS256', 'ES256'] as const;

// Nodes that start together on an empty database must agree on one set of keys.
const KEY_LOCK = 7_305_115;

/** @returns private keys, current ones first. Creates what is missing. @throws Error when the key ring does not open them. */
export async function loadSigningKeys(database: Database, keyRing: KeyRing): Promise<{ keys: JWK[] }> {
  let rows = await readKeys(database);
  const missing = ALGORITHMS.filter((algorithm) => !rows.some((row) => row.algorithm === algorithm && !row.retiredAt));
  if (missing.length) {
    // Made before the transaction: an RSA key takes its time.
    const made = await Promise.all(missing.map((algorithm) => createKey(algorithm, keyRing)));
    await database.prisma.$transaction(async (transaction) => {
      await transaction.$executeRaw`select pg_advisory_xact_lock(${KEY_LOCK}::bigint)`;
      for (const key of made) {
        if (!(await transaction.signingKey.count({ where: { algorithm: key.algorithm, retiredAt: null } })))
          await transaction.signingKey.create({ data: key });
      }
    });
    rows = await readKeys(database);
  }
  return { keys: rows.map((row) => JSON.parse(keyRing.decrypt(row.privateJwk, context(row.kid)))) };
}

function readKeys(database: Database) {
  return database.prisma.signingKey.findMany({ orderBy: [{ retiredAt: { sort: 'asc', nulls: 'first' } }, { createdAt: 'desc' }] });
}

async function createKey(algorithm: (typeof ALGORITHMS)[number], keyRing: KeyRing) {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const kid = randomSecret().slice(0, 16);
  const jwk = { ...(await exportJWK(privateKey)), kid, alg: algorithm, use: 'sig' };
  return { kid, algorithm, privateJwk: keyRing.encrypt(JSON.stringify(jwk), context(kid)) };
}

const context = (kid: string) => `signing_key:${kid}`;
