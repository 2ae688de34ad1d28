import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import { z } from 'zod';
import { dropIdleRecoveryCodes, keepFactor } from '../../people/factors.ts';
import { type Database, isStorable, isUnavailable, Prisma, type Statement } from '../../platform/database.ts';
import { isBlank, withoutDeceptive } from '../../platform/visible-text.ts';

/**
 * Owns passkeys (WebAuthn level 3): the two ceremonies and what is kept of a credential. Who we are is read from ISSUER alone, never
 * from a request, and the authenticator must have verified its user: a passkey is then two factors by itself.
 * Does not make the challenges: whoever asks hands in what knows its own, see features/passkeys/challenges.ts.
 */

// EdDSA, ES256, RS256 (COSE): between them every authenticator there is. The library's default varies with the runtime.
const ALGORITHMS = [-8, -7, -257];
const TIMEOUT_MS = 5 * 60_000;
const MOST_PASSKEYS = 20;
const MAX_NAME_CHARACTERS = 60;
const TRANSPORTS = ['ble', 'cable', 'hybrid', 'internal', 'nfc', 'smart-card', 'usb'];

/** Whether a challenge is one that we gave to this browser for this purpose, and not used before. It uses it up. */
export type SpendChallenge = (challenge: string) => Promise<boolean>;

export type PasskeyRefusal =
  | 'malformed'
  | 'unknown_passkey'
  | 'foreign_passkey'
  | 'not_verified'
  | 'counter_regressed'
  | 'known_already'
  | 'too_many';

type Person = { id: string; email: string; name: string };

const text = (most: number) => z.string().min(1).max(most);

// What a credential's toJSON() gives, as far as it is read.
const registration = z.object({
  id: text(1_400),
  rawId: text(1_400),
  type: z.literal('public-key'),
  response: z.object({
    clientDataJSON: text(4_096),
    attestationObject: text(32_768),
    transports: z.array(z.string().max(32)).max(16).optional(),
  }),
});
const assertion = z.object({
  id: text(1_400),
  rawId: text(1_400),
  type: z.literal('public-key'),
  response: z.object({
    clientDataJSON: text(4_096),
    authenticatorData: text(8_192),
    signature: text(4_096),
    userHandle: z.string().max(128).nullish(),
  }),
});

/** What a browser needs to make a passkey: one that it finds by itself at sign-in, on a device that has none of this account's yet. */
export async function enrolmentOptions(database: Database, issuer: string, person: Person, challenge: string) {
  const known = await database.prisma.passkey.findMany({ where: { accountId: person.id }, select: { id: true, transports: true } });
  return generateRegistrationOptions({
    rpName: 'Munjigi',
    rpID: relyingParty(issuer).id,
    userID: new Uint8Array(Buffer.from(person.id)),
    userName: person.email,
    userDisplayName: person.name,
    challenge,
    timeout: TIMEOUT_MS,
    excludeCredentials: known as { id: string; transports: never[] }[],
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    supportedAlgorithmIDs: ALGORITHMS,
  });
}

/** What a browser needs to sign in. @param accountId given when it is known whose passkey it must be; otherwise the browser offers any. */
export async function signInOptions(database: Database, issuer: string, challenge: string, accountId?: string) {
  const known = accountId ? await database.prisma.passkey.findMany({ where: { accountId }, select: { id: true, transports: true } }) : [];
  return generateAuthenticationOptions({
    rpID: relyingParty(issuer).id,
    challenge,
    timeout: TIMEOUT_MS,
    userVerification: 'required',
    allowCredentials: known as { id: string; transports: never[] }[],
  });
}

/** Keeps a new passkey. @param answer the browser's, as JSON. @param along written in the same transaction, or not at all. @returns its id, or why not. */
export async function enrolPasskey(
  database: Database,
  issuer: string,
  { person, name, answer, spend, along }: { person: Person; name: string; answer: string; spend: SpendChallenge; along: Statement[] },
): Promise<{ ok: true; id: string } | { ok: false; reason: PasskeyRefusal }> {
  const { data } = registration.safeParse(parsed(answer));
  if (!data) return { ok: false, reason: 'malformed' };
  const verified = await attempt(() =>
    verifyRegistrationResponse({
      response: { ...data, clientExtensionResults: {} } as never,
      expectedChallenge: asGiven(spend),
      expectedOrigin: relyingParty(issuer).origin,
      expectedRPID: relyingParty(issuer).id,
      requireUserVerification: true,
      supportedAlgorithmIDs: ALGORITHMS,
    }),
  );
  if (!verified?.registrationInfo) return { ok: false, reason: 'not_verified' };
  const { credential, credentialBackedUp } = verified.registrationInfo;
  const transports = (data.response.transports ?? []).filter((transport) => TRANSPORTS.includes(transport));
  const [room] = await database.query<{ room: boolean }>(Prisma.sql`
    select count(*) < ${MOST_PASSKEYS}::int as room from passkey where account_id = ${person.id}`);
  if (!room?.room) return { ok: false, reason: 'too_many' };
  const kept = await keepFactor(
    database,
    Prisma.sql`
    insert into passkey (id, account_id, public_key, counter, transports, backed_up, name)
    values (${credential.id}, ${person.id}, ${credential.publicKey}, ${credential.counter}, ${transports}, ${credentialBackedUp}, ${name})
    on conflict (id) do nothing`,
    along,
  );
  return kept ? { ok: true, id: credential.id } : { ok: false, reason: 'known_already' };
}

type StoredPasskey = { account_id: string; public_key: Buffer; counter: number };

/**
 * Whose passkey this is. @param answer the browser's, as JSON. @param accountId given when it must be this one's.
 * @returns the account and the passkey's id, or why not: then nothing has changed, but for the challenge, which is used up.
 */
export async function verifyPasskey(
  database: Database,
  issuer: string,
  { answer, spend, accountId }: { answer: string; spend: SpendChallenge; accountId?: string | undefined },
): Promise<{ ok: true; accountId: string; id: string } | { ok: false; reason: PasskeyRefusal }> {
  const { data } = assertion.safeParse(parsed(answer));
  if (!data) return { ok: false, reason: 'malformed' };
  const [passkey] = await database.query<StoredPasskey>(Prisma.sql`
    select account_id, public_key, counter::float8 as counter from passkey where id = ${data.id}`);
  if (!passkey) return { ok: false, reason: 'unknown_passkey' };
  const { userHandle } = data.response;
  // The handle is the account's id, as it was given at enrolment (WebAuthn section 7.2 step 6). One that the person did not name must bring it.
  const handleFits = userHandle ? Buffer.from(userHandle, 'base64url').toString() === passkey.account_id : accountId !== undefined;
  if (!handleFits || (accountId !== undefined && accountId !== passkey.account_id)) return { ok: false, reason: 'foreign_passkey' };
  const verified = await attempt(() =>
    verifyAuthenticationResponse({
      response: { ...data, clientExtensionResults: {} } as never,
      expectedChallenge: asGiven(spend),
      expectedOrigin: relyingParty(issuer).origin,
      expectedRPID: relyingParty(issuer).id,
      // Compared below, where it is kept: two at once would both compare with what was.
      credential: { id: data.id, publicKey: new Uint8Array(passkey.public_key), counter: 0 },
      requireUserVerification: true,
    }),
  );
  if (!verified?.verified) return { ok: false, reason: 'not_verified' };
  const { newCounter, credentialBackedUp } = verified.authenticationInfo;
  // A counter that does not grow means a second copy of the key (WebAuthn section 6.1.1). Synced passkeys have none: it stays 0.
  const used = await database.change(Prisma.sql`
    update passkey set counter = ${newCounter}, backed_up = ${credentialBackedUp}, used_at = now()
    where id = ${data.id} and (counter < ${newCounter} or (counter = 0 and ${newCounter} = 0)) returning 1`);
  return used.length ? { ok: true, accountId: passkey.account_id, id: data.id } : { ok: false, reason: 'counter_regressed' };
}

/** A name as it was typed, without what could deceive, or the one that stands in for none. */
export function passkeyName(typed: string, otherwise: string): string {
  const name = withoutDeceptive(typed, () => ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return [...(isBlank(name) ? otherwise : name)].slice(0, MAX_NAME_CHARACTERS).join('').trim();
}

/** @returns whether there was such a passkey. */
export async function renamePasskey(database: Database, accountId: string, id: string, name: string): Promise<boolean> {
  const renamed = await database.change(Prisma.sql`
    update passkey set name = ${name} where id = ${id} and account_id = ${accountId} returning 1`);
  return renamed.length > 0;
}

/**
 * Takes a passkey away, unless it is the last way in: an account without a password keeps one, or a provider to sign in by. To be run as one transaction.
 * The account is locked first, so that of two at once the second sees what the first has left.
 */
export function removePasskey(accountId: string, id: string): Statement[] {
  return [
    Prisma.sql`select from user_account where id = ${accountId} for update`,
    Prisma.sql`delete from passkey where id = ${id} and account_id = ${accountId}
      and (exists (select from user_account where id = ${accountId} and password_hash is not null)
        or exists (select from passkey other where other.account_id = ${accountId} and other.id <> ${id})
        or exists (select from upstream_identity i join upstream_provider p on p.id = i.provider_id
          where i.account_id = ${accountId} and p.disabled_at is null and (p.settings->>'signIn')::boolean))`,
    dropIdleRecoveryCodes(accountId),
  ];
}

function relyingParty(issuer: string): { id: string; origin: string } {
  const { hostname, origin } = new URL(issuer);
  return { id: hostname, origin };
}

/** The library hands back the challenge as the browser had it: its bytes in base64url. */
function asGiven(spend: SpendChallenge) {
  return (challenge: string) => spend(Buffer.from(challenge, 'base64url').toString());
}

/** What the library finds wrong, it throws. @returns undefined then; a lost database is thrown on. */
async function attempt<T>(verify: () => Promise<T>): Promise<T | undefined> {
  try {
    return await verify();
  } catch (error) {
    if (isUnavailable(error)) throw error;
    return undefined;
  }
}

function parsed(answer: string): unknown {
  try {
    const value: unknown = JSON.parse(answer);
    return isStorable(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
