import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { HOUR, MINUTE } from '../../platform/clock.ts';
import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import type { SealedColumn } from '../../platform/reseal.ts';
import { type KeyRing, randomSecret } from '../../platform/secrets.ts';
import { foundNothing } from '../../platform/sql-errors.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from '../clients/signing-algorithms.ts';
import { ttl } from '../tokens/token-policy.ts';
import { type Moments, scheduleOf } from './key-schedule.ts';

/**
 * Owns the keys that sign: one for each algorithm that an API or a client may choose, whether or not one has chosen it. A key is then published
 * long before it first signs, and the only price is one more RSA key at the first start.
 * Private keys are in the database, sealed under the key ring. Which key signs when is for key-schedule.ts to say.
 */

/** How long a key is published before it signs: longer than anyone keeps a copy of the published keys. */
export const PUBLISHED_BEFORE_SECONDS = HOUR;

// Nodes do not change keys in the same instant, nor do all clocks agree.
const MARGIN_SECONDS = 5 * MINUTE;

// Nodes that start together on an empty database must agree on one set of keys, and two rotations must not make one each.
const KEY_LOCK = 7_305_115;

export type StoredKey = Moments & { createdAt: Date; privateJwk: string };

/** The rows as they were at one moment of the database's clock. `keptSeconds`: how long a retired key stays published. */
export type StoredKeys = { keys: StoredKey[]; readAt: Date; keptSeconds: number };

/** @returns private keys to publish, those that sign now first. Creates what is missing. @throws Error when the key ring does not open them. */
export async function loadSigningKeys(database: Database, keyRing: KeyRing): Promise<{ keys: JWK[] }> {
  const { keys, readAt, keptSeconds } = await ensureSigningKeys(database, keyRing);
  return openKeys(scheduleOf(keys, readAt, keptSeconds).published, keyRing);
}

/**
 * @returns the keys of the default algorithm first: some client libraries try keys in order, and fail at the first of another type.
 * @throws Error for a key that the key ring does not open.
 */
export function openKeys(keys: StoredKey[], keyRing: KeyRing): { keys: JWK[] } {
  const isOther = ({ algorithm }: StoredKey) => Number(algorithm !== SIGNING_ALGORITHMS[0]);
  return {
    keys: keys
      .toSorted((one, other) => isOther(one) - isOther(other))
      .map(({ kid, privateJwk }) => JSON.parse(keyRing.decrypt(privateJwk, context(kid)))),
  };
}

/** All keys, after making one for each algorithm that has none which signs or will. */
export async function ensureSigningKeys(database: Database, keyRing: KeyRing): Promise<StoredKeys> {
  const stored = await readSigningKeys(database);
  const missing = SIGNING_ALGORITHMS.filter(
    (algorithm) => !stored.keys.some((key) => key.algorithm === algorithm && (!key.retiredAt || key.retiredAt > stored.readAt)),
  );
  if (!missing.length) return stored;
  // Made before the transaction: an RSA key takes its time.
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
  // One statement, so that keys and clock are of one moment; it has a row even when there is no key.
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
 * Makes the next key of each algorithm: published from now on, it takes over after PUBLISHED_BEFORE_SECONDS. One that is on its way already stays the next.
 * @param along what is written with it if one is made, such as the record of it.
 * @returns what came of each algorithm: the next key, and whether it was made now.
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
    // Fails when nothing was made: then nothing is told of either.
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
 * For keys that leaked: new ones sign at once, all others are deleted. What those signed is refused by whoever asks for the published keys.
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

/** Deletes keys that are published no longer: what cannot be used any more should not be there to be found. */
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

/** Which of its columns are sealed, and for what. */
export const SEALED_KEYS: SealedColumn = { table: 'signing_key', id: 'kid', column: 'private_jwk', context };
