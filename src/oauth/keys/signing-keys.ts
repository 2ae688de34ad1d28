import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { HOUR, MINUTE } from '../../platform/clock.ts';
import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import type { SealedColumn } from '../../platform/sealed-column.ts';
import { type KeyRing, randomSecret } from '../../platform/secrets.ts';
import { foundNothing } from '../../platform/sql-errors.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from '../clients/signing-algorithms.ts';
import { ttl } from '../tokens/token-policy.ts';
import { type Moments, scheduleOf } from './key-schedule.ts';

/**
 * Owns the signing keys: one for each algorithm that an API or client may choose, even if none has chosen it. So a key is published long
 * before it first signs. The cost is one more RSA key at the first start.
 * Private keys are stored in the database, encrypted under the key ring. key-schedule.ts decides which key signs when.
 */

/** How long a key is published before it signs: longer than clients cache the published keys. */
export const PUBLISHED_BEFORE_SECONDS = HOUR;

// Nodes change keys at slightly different moments, and clocks differ.
const MARGIN_SECONDS = 5 * MINUTE;

// Nodes that start together on an empty database must agree on one set of keys. Two rotations at once must make one set.
const KEY_LOCK = 7_305_115;

export type StoredKey = Moments & { createdAt: Date; privateJwk: string };

/** The rows at one moment of the database's clock. `keptSeconds`: how long a retired key stays published. */
export type StoredKeys = { keys: StoredKey[]; readAt: Date; keptSeconds: number };

/** @returns private keys to publish, signing keys first. Creates missing keys. @throws Error when the key ring cannot decrypt a key. */
export async function loadSigningKeys(database: Database, keyRing: KeyRing): Promise<{ keys: JWK[] }> {
  const { keys, readAt, keptSeconds } = await ensureSigningKeys(database, keyRing);
  return openKeys(scheduleOf(keys, readAt, keptSeconds).published, keyRing);
}

/**
 * @returns the keys of the default algorithm first: some client libraries try keys in order, and fail at a key of another type.
 * @throws Error when the key ring cannot decrypt a key.
 */
export function openKeys(keys: StoredKey[], keyRing: KeyRing): { keys: JWK[] } {
  const isOther = ({ algorithm }: StoredKey) => Number(algorithm !== SIGNING_ALGORITHMS[0]);
  return {
    keys: keys
      .toSorted((one, other) => isOther(one) - isOther(other))
      .map(({ kid, privateJwk }) => JSON.parse(keyRing.decrypt(privateJwk, context(kid)))),
  };
}

/** @returns all keys. First creates a key for each algorithm without a current or future signing key. */
export async function ensureSigningKeys(database: Database, keyRing: KeyRing): Promise<StoredKeys> {
  const stored = await readSigningKeys(database);
  const missing = SIGNING_ALGORITHMS.filter(
    (algorithm) => !stored.keys.some((key) => key.algorithm === algorithm && (!key.retiredAt || key.retiredAt > stored.readAt)),
  );
  if (!missing.length) return stored;
  // Created before the transaction, because an RSA key takes time.
  const made = await Promise.all(missing.map((algorithm) => createKey(algorithm, keyRing)));
  await database.transaction([
    lock,
    ...made.map(
      (key) => Prisma.sql`
        insert into signing_key (kid, algorithm, private_jwk)
        select ${key.kid}, ${key.algorithm}, ${key.privateJwk}
        where not exists (select from signing_key where algorithm = ${key.algorithm} and (retired_at is null or retired_at > clock_timestamp()))`,
    ),
  ]);
  return readSigningKeys(database);
}

export async function readSigningKeys(database: Database): Promise<StoredKeys> {
  type Row = { kid: string; algorithm: string; private_jwk: string; created_at: Date; active_at: Date; retired_at: Date | null };
  // One statement reads keys and clock at the same moment. It returns a row even when there is no key.
  const rows = await database.query<Row & { read_at: Date; longest_jwt: number }>(Prisma.sql`
    select k.*, now() as read_at,
      (select coalesce(max(access_token_ttl_seconds), 0) from resource_server where token_format = 'jwt') as longest_jwt
    from (select 1) as one left join signing_key k on true`);
  const [{ read_at, longest_jwt }] = rows as [(typeof rows)[number]];
  return {
    readAt: read_at,
    keptSeconds: Math.max(ttl.IdToken, longest_jwt) + MARGIN_SECONDS,
    keys: rows
      .filter(({ kid }) => kid)
      .map((row) => ({
        kid: row.kid,
        algorithm: row.algorithm,
        privateJwk: row.private_jwk,
        createdAt: row.created_at,
        activeAt: row.active_at,
        retiredAt: row.retired_at,
      })),
  };
}

/**
 * Creates the next key of each algorithm. It is published now and signs after PUBLISHED_BEFORE_SECONDS. A next key that exists already
 * stays.
 * @param along statements to run in the transaction if a key is created, such as the audit event.
 * @returns for each algorithm the next key, and whether this call created it.
 */
export async function rotateSigningKeys(
  database: Database,
  keyRing: KeyRing,
  along: Statement[] = [],
): Promise<{ algorithm: string; made: boolean; next: StoredKey }[]> {
  const made = await Promise.all(SIGNING_ALGORITHMS.map((algorithm) => createKey(algorithm, keyRing)));
  const rotation = [
    lock,
    ...made.map(
      ({ kid, algorithm, privateJwk }) => Prisma.sql`
        with next as (
          insert into signing_key (kid, algorithm, private_jwk, active_at)
          select ${kid}, ${algorithm}, ${privateJwk}, clock_timestamp() + ${PUBLISHED_BEFORE_SECONDS} * interval '1 second'
          where not exists (select from signing_key where algorithm = ${algorithm} and active_at > clock_timestamp() and retired_at is null)
          returning active_at)
        update signing_key set retired_at = next.active_at from next where algorithm = ${algorithm} and retired_at is null`,
    ),
    // Fails when no key was created, so that no event is written either.
    Prisma.sql`select 1 / count(*) from signing_key where kid = any(${made.map(({ kid }) => kid)})`,
    ...along,
  ];
  await database.transaction(rotation).catch((error) => {
    if (!foundNothing(error)) throw error;
  });
  const { keys } = await readSigningKeys(database);
  return made.map(({ kid, algorithm }) => {
    const next = keys
      .filter((key) => key.algorithm === algorithm && !key.retiredAt)
      .reduce((last, key) => (key.activeAt > last.activeAt ? key : last));
    return { algorithm, made: next.kid === kid, next };
  });
}

/**
 * For leaked keys: new keys sign at once, and all others are deleted. Anyone who reads the published keys refuses what the old keys signed.
 */
export async function replaceSigningKeys(database: Database, keyRing: KeyRing, along: Statement[] = []): Promise<void> {
  const made = await Promise.all(SIGNING_ALGORITHMS.map((algorithm) => createKey(algorithm, keyRing)));
  await database.transaction([
    lock,
    Prisma.sql`delete from signing_key`,
    ...made.map(
      ({ kid, algorithm, privateJwk }) => Prisma.sql`
        insert into signing_key (kid, algorithm, private_jwk) values (${kid}, ${algorithm}, ${privateJwk})`,
    ),
    ...along,
  ]);
}

/** Deletes keys that are no longer published: unusable key material should not remain. */
export async function deleteSigningKeys(database: Database, kids: string[]): Promise<void> {
  await database.change(Prisma.sql`delete from signing_key where kid = any(${kids}) and retired_at <= now()`);
}

const lock = Prisma.sql`select pg_advisory_xact_lock(${KEY_LOCK}::bigint)`;

async function createKey(algorithm: SigningAlgorithm, keyRing: KeyRing) {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const kid = randomSecret().slice(0, 16);
  const jwk = { ...(await exportJWK(privateKey)), kid, alg: algorithm, use: 'sig' };
  return { kid, algorithm, privateJwk: keyRing.encrypt(JSON.stringify(jwk), context(kid)) };
}

const context = (kid: string) => `signing_key:${kid}`;

/** The encrypted column, and the context that its encryption is bound to. */
export const SEALED_KEYS: SealedColumn = { table: 'signing_key', id: 'kid', column: 'private_jwk', context };
