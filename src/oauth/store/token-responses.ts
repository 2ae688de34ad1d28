import { type Database, Prisma } from '../../platform/database.ts';
import { derivedKey, digest, digestInHex, KeyRing } from '../../platform/secrets.ts';
import type { Source } from './lineage.ts';
import { stands } from './standing-tokens.ts';
import { write } from './unit-of-work.ts';

/**
 * Owns the token responses that are stored for a client's grace window, so that a client whose response was lost gets it again.
 * A response is encrypted under a key derived from the presented refresh token: the database alone cannot decrypt it.
 */

export type TokenResponse = { refresh_token: string; expires_in: number; [member: string]: unknown };

type Kept = {
  /** What the request asked for, apart from the refresh token: only an equal request gets the same response. */
  request: string;
  response: TokenResponse;
};

/** `successor` is the digest, in hexadecimal, of the refresh token in the response; `grace` is in seconds. */
type Payload = { sealed: string; successor: string; grace: number };

/**
 * Stores a response in one statement with the consumption of the presented token.
 * @param graceSeconds of the client, measured by the database's clock.
 */
export async function keepTokenResponse(database: Database, { id, grantId }: Source, kept: Kept, graceSeconds: number): Promise<void> {
  const payload: Payload = {
    sealed: ringOf(id).encrypt(JSON.stringify(kept), contextOf(id)),
    successor: digestInHex(kept.response.refresh_token),
    grace: graceSeconds,
  };
  await write(database, {
    purpose: 'issue',
    subject: `TokenResponse ${id}`,
    // Client, account and grant are those of the presented token, so deleting any of them deletes the response.
    statement: Prisma.sql`
      insert into protocol_record (kind, id, client_id, account_id, grant_id, expires_at, payload)
      select 'TokenResponse', id, client_id, account_id, grant_id, now() + ${graceSeconds} * interval '1 second', ${JSON.stringify(payload)}::jsonb
      from token where id = ${digest(id)} and grant_id = ${grantId ?? null}`,
  });
}

/**
 * @param token the presented refresh token.
 * @returns the response that a used refresh token got, while the grace window is open and its successor is valid. Otherwise undefined.
 * `expires_in` is the remaining time in seconds.
 */
export async function findTokenResponse(database: Database, token: string): Promise<Kept | undefined> {
  const [row] = await database.query<{ payload: Payload; age: number | null; stands: boolean }>(Prisma.sql`
    select payload, (select extract(epoch from now() - used.consumed_at)::float8 from token used where used.id = r.id) as age,
      exists (select from token t where t.id = decode(r.payload->>'successor', 'hex') and ${stands}) as stands
    from protocol_record r where kind = 'TokenResponse' and id = ${digest(token)} and expires_at > now()`);
  // The moment of use decides. `expires_at` only tells pruning when to delete the row.
  if (!row?.stands || row.age === null || row.age > row.payload.grace) return undefined;
  const { request, response } = JSON.parse(ringOf(token).decrypt(row.payload.sealed, contextOf(token))) as Kept;
  // Never 0, which some clients read as "does not expire".
  return { request, response: { ...response, expires_in: Math.max(1, response.expires_in - Math.floor(row.age)) } };
}

/** A token has 256 random bits, so a derived key is as strong as the token itself. */
const ringOf = (token: string) => new KeyRing([derivedKey(token, 'the answer to a refresh')]);

const contextOf = (token: string) => `TokenResponse ${digestInHex(token)}`;
