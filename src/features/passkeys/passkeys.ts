import { z } from 'zod';
import { dropIdleRecoveryCodes, keepFactor } from '../../people/factors.ts';
import { type Database, isStorable, isUnavailable, Prisma, type Statement } from '../../platform/database.ts';
import { isBlank, withoutDeceptive } from '../../platform/visible-text.ts';

// Loaded with the first passkey: it takes an eighth of a second of the start, and of every command.
const webauthn = () => import('@simplewebauthn/server');

/**
 * Owns passkeys (WebAuthn level 3): the two ceremonies, and the stored credential. The relying party comes from ISSUER only, never from a
 * request. The authenticator must verify its user, so that a passkey counts as two factors.
 * Does not make the challenges: the caller passes a function that checks its own, see features/passkeys/challenges.ts.
 */

// EdDSA, ES256, RS256 (COSE), which together cover all authenticators. The library's default depends on the runtime.
const ALGORITHMS = [-8, -7, -257];
const TIMEOUT_MS = 5 * 60_000;
const MOST_PASSKEYS = 20;
const MAX_NAME_CHARACTERS = 60;
const TRANSPORTS = ['ble', 'cable', 'hybrid', 'internal', 'nfc', 'smart-card', 'usb'];

/** @returns whether the challenge was given to this browser for this purpose and is unused. It uses the challenge up. */
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

// The members of a credential's toJSON() that we read.
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

/**
 * @returns the browser's options for a new passkey. It must be discoverable, so that sign-in works without an address. The device must not
 * already have one for this account.
 */
export async function enrolmentOptions(database: Database, issuer: string, person: Person, challenge: string) {
  const known = await database.prisma.passkey.findMany({ where: { accountId: person.id }, select: { id: true, transports: true } });
  return (await webauthn()).generateRegistrationOptions({
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

/**
 * @returns the browser's options for a sign-in. @param accountId the account whose passkey is required; without it, the browser offers any.
 */
export async function signInOptions(database: Database, issuer: string, challenge: string, accountId?: string) {
  const known = accountId ? await database.prisma.passkey.findMany({ where: { accountId }, select: { id: true, transports: true } }) : [];
  return (await webauthn()).generateAuthenticationOptions({
    rpID: relyingParty(issuer).id,
    challenge,
    timeout: TIMEOUT_MS,
    userVerification: 'required',
    allowCredentials: known as { id: string; transports: never[] }[],
  });
}

/**
 * Stores a new passkey. @param answer the browser's response as JSON. @param along statements written in the same transaction. @returns its
 * id, or why it was refused.
 */
export async function enrolPasskey(
  database: Database,
  issuer: string,
  { person, name, answer, spend, along }: { person: Person; name: string; answer: string; spend: SpendChallenge; along: Statement[] },
): Promise<{ ok: true; id: string } | { ok: false; reason: PasskeyRefusal }> {
  const { data } = registration.safeParse(parsed(answer));
  if (!data) return { ok: false, reason: 'malformed' };
  const { verifyRegistrationResponse } = await webauthn();
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
 * Verifies a passkey and finds its account. @param answer the browser's response as JSON. @param accountId the account whose passkey is
 * required.
 * @returns the ids of the account and the passkey, or why it was refused. A refusal changes nothing, except that the challenge is used up.
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
  // The handle is the account id from the enrolment (WebAuthn section 7.2 step 6). It is required when the user did not name the account.
  const handleFits = userHandle ? Buffer.from(userHandle, 'base64url').toString() === passkey.account_id : accountId !== undefined;
  if (!handleFits || (accountId !== undefined && accountId !== passkey.account_id)) return { ok: false, reason: 'foreign_passkey' };
  const { verifyAuthenticationResponse } = await webauthn();
  const verified = await attempt(() =>
    verifyAuthenticationResponse({
      response: { ...data, clientExtensionResults: {} } as never,
      expectedChallenge: asGiven(spend),
      expectedOrigin: relyingParty(issuer).origin,
      expectedRPID: relyingParty(issuer).id,
      // The update below compares the counter. Two parallel requests would both compare with the old value here.
      credential: { id: data.id, publicKey: new Uint8Array(passkey.public_key), counter: 0 },
      requireUserVerification: true,
    }),
  );
  if (!verified?.verified) return { ok: false, reason: 'not_verified' };
  const { newCounter, credentialBackedUp } = verified.authenticationInfo;
  // A counter that does not grow indicates a copy of the key (WebAuthn section 6.1.1). Synced passkeys keep it at 0.
  const used = await database.change(Prisma.sql`
    update passkey set counter = ${newCounter}, backed_up = ${credentialBackedUp}, used_at = now()
    where id = ${data.id} and (counter < ${newCounter} or (counter = 0 and ${newCounter} = 0)) returning 1`);
  return used.length ? { ok: true, accountId: passkey.account_id, id: data.id } : { ok: false, reason: 'counter_regressed' };
}

/** @returns the typed name without deceptive characters; `otherwise` if nothing is left. */
export function passkeyName(typed: string, otherwise: string): string {
  const name = withoutDeceptive(typed, () => ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return [...(isBlank(name) ? otherwise : name)].slice(0, MAX_NAME_CHARACTERS).join('').trim();
}

/** @returns whether the account has this passkey. */
export async function renamePasskey(database: Database, accountId: string, id: string, name: string): Promise<boolean> {
  const renamed = await database.change(Prisma.sql`
    update passkey set name = ${name} where id = ${id} and account_id = ${accountId} returning 1`);
  return renamed.length > 0;
}

/**
 * @returns the statements that remove a passkey unless it is the only way to sign in: a password, another passkey or a provider must
 * remain. Run them in one transaction. The lock on the account makes the second of two requests see what the first one left.
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

/** The library passes the challenge as the browser received it: its bytes in base64url. */
function asGiven(spend: SpendChallenge) {
  return (challenge: string) => spend(Buffer.from(challenge, 'base64url').toString());
}

/** @returns undefined when verification fails, which the library reports by throwing. @throws errors of an unavailable database. */
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
