import { type Database, Prisma } from '../../platform/database.ts';
import { derivedKey, digest, digestInHex, KeyRing } from '../../platform/secrets.ts';
import type { Source } from './lineage.ts';
import { stands } from './standing-tokens.ts';
import { write } from './unit-of-work.ts';

/**
 * Owns the answers to refreshes that are kept for the client's grace window, so that a client whose answer was lost gets the same one again.
 * An answer is sealed under a key that is derived from the refresh token that was presented: the database alone cannot open it.
 */

export type TokenResponse = { refresh_token: string; expires_in: number; [member: string]: unknown };

type Kept = {
  /** What was asked for, beside the refresh token: only the same request gets the same answer. */
  request: string;
  response: TokenResponse;
};

/** `successor` is the digest, in hexadecimal, of the refresh token in the answer; `grace` is in seconds. */
type Payload = { sealed: string; successor: string; grace: number };

/** Keeps an answer, in one statement with the consumption of the presented token. @param graceSeconds of the client; the database's clock counts. */
export async function keepTokenResponse(database: Database, { id, grantId }: Source, kept: Kept, graceSeconds: number): Promise<void> {
  const payload: Payload = {
    sealed: ringOf(id).encrypt(JSON.stringify(kept), contextOf(id)),
    successor: digestInHex(kept.response.refresh_token),
    grace: graceSeconds,
  };
  await write(database, {
    purpose: 'issue',
    subject: `TokenResponse ${id}`,
    // Client, account and grant are those of the presented token: the answer goes with each of them.
    statement: Prisma.sql`
      insert into protocol_record (kind, id, client_id, account_id, grant_id, expires_at, payload)
      select 'TokenResponse', id, client_id, account_id, grant_id, now() + ${graceSeconds} * interval '1 second', ${JSON.stringify(payload)}::jsonb
      from token where id = ${digest(id)} and grant_id = ${grantId ?? null}`,
  });
}

/**
 * The answer that a used refresh token got, as long as the window is open and the token that replaced it stands.
 * @param token the refresh token that was presented. @returns undefined when there is none; `expires_in` is what is left, in seconds.
 */
export async function findTokenResponse(database: Database, token: string): Promise<Kept | undefined> {
  const [row] = await database.query<{ payload: Payload; age: number | null; stands: boolean }>(Prisma.sql`
    select payload, (select extract(epoch from now() - used.consumed_at)::float8 from token used where used.id = r.id) as age,
      exists (select from token t where t.id = decode(r.payload->>'successor', 'hex') and ${stands}) as stands
    from protocol_record r where kind = 'TokenResponse' and id = ${digest(token)} and expires_at > now()`);
  // The moment of the use decides; `expires_at` is for what deletes the row.
  if (!row?.stands || row.age === null || row.age > row.payload.grace) return undefined;
  const { request, response } = JSON.parse(ringOf(token).decrypt(row.payload.sealed, contextOf(token))) as Kept;
  // Never 0, which some clients read as "does not expire".
  return { request, response: { ...response, expires_in: Math.max(1, response.expires_in - Math.floor(row.age)) } };
}

/** 256 random bits are in the token, so a derived key is as strong as the token itself. */
const ringOf = (token: string) => new KeyRing([derivedKey(token, 'the answer to a refresh')]);

const contextOf = (token: string) => `TokenResponse ${digestInHex(token)}`;
