import { exportJWK, generateKeyPair } from 'jose';
import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import type { KeyRing } from '../../platform/secrets.ts';
import { credentialsOf, readProvider, type Service, scopeOf, sealCredentials, serviceRows, type UpstreamProvider } from './providers.ts';

/** Owns what an operator sees and does of upstream providers beside adding one, for which see saveProvider(). */

export type KnownProvider = UpstreamProvider & {
  /** How many people have linked their account there. */
  linked: number;
  disabledAt: Date | null;
};

/** All providers, disabled ones too, in the order people see them. */
export async function listKnownProviders(database: Database): Promise<KnownProvider[]> {
  const rows = await database.prisma.upstreamProvider.findMany({
    include: { services: { orderBy: [{ position: 'asc' }, { name: 'asc' }] }, _count: { select: { identities: true } } },
    orderBy: [{ position: 'asc' }, { id: 'asc' }],
  });
  return rows.map((row) => ({ ...readProvider(row), linked: row._count.identities, disabledAt: row.disabledAt }));
}

/** A provider, though it may be disabled. */
export async function knownProvider(database: Database, id: string): Promise<KnownProvider | undefined> {
  return (await listKnownProviders(database)).find((provider) => provider.id === id);
}

/**
 * Keeps people and apps from a provider, until it is enabled again; links and tokens stay.
 * @returns a row, unless the provider is unknown.
 */
export function disableProvider(id: string): Statement {
  return Prisma.sql`update upstream_provider set disabled_at = coalesce(disabled_at, now()), updated_at = now() where id = ${id} returning id`;
}

/** @returns a row, unless the provider is unknown. */
export function enableProvider(id: string): Statement {
  return Prisma.sql`update upstream_provider set disabled_at = null, updated_at = now() where id = ${id} returning id`;
}

/** Those who linked a provider, as auditEventForEach() takes them. */
export function linkedPeople(id: string): Statement {
  return Prisma.sql`select account_id, null::text as client_id from upstream_identity where provider_id = ${id}`;
}

/**
 * Statements that keep people from a provider and end every link to it, to be run together.
 * @param told the writing of what each of linkedPeople() is told of it.
 */
export function unlinkEverybody(id: string, told: Statement): Statement[] {
  return [disableProvider(id), told, Prisma.sql`delete from upstream_identity where provider_id = ${id}`];
}

/** How many tokens of links that ended the provider has still to be told of, see revocations.ts. */
export async function untold(database: Database, id: string): Promise<number> {
  const [row] = await database.query<{ tokens: number }>(
    Prisma.sql`select count(*)::int as tokens from upstream_revocation where provider_id = ${id} and expires_at > now()`,
  );
  return row?.tokens ?? 0;
}

/** Statements that end a provider, to be run together, once nobody is linked. */
export function removeProvider(id: string): Statement[] {
  return [
    Prisma.sql`delete from upstream_provider where id = ${id}`,
    // Without its settings nobody can tell it of what it gave.
    Prisma.sql`delete from upstream_revocation where provider_id = ${id}`,
  ];
}

/** How many people could not sign in without a provider: they have no password, passkey or other link. */
export async function dependents(database: Database, id: string): Promise<number> {
  const [row] = await database.query<{ people: number }>(Prisma.sql`
    select count(*)::int as people from upstream_identity i join user_account u on u.id = i.account_id
    where i.provider_id = ${id} and u.password_hash is null
      and not exists (select from passkey p where p.account_id = u.id)
      and not exists (select from upstream_identity o where o.account_id = u.id and o.provider_id <> ${id})`);
  return row?.people ?? 0;
}

/** Puts services in the place of those that a provider has. */
export async function replaceServices(database: Database, id: string, services: Service[]): Promise<void> {
  await database.prisma.$transaction([
    database.prisma.upstreamService.deleteMany({ where: { providerId: id } }),
    database.prisma.upstreamService.createMany({ data: serviceRows(id, services) }),
  ]);
}

/** Which of a provider's scopes an API of this server has already: a scope must mean one thing. */
export async function takenScopes(
  database: Database,
  provider: { id: string; services: Service[] },
): Promise<{ name: string; api: string }[]> {
  const names = provider.services.map((service) => scopeOf(provider, service));
  return database.query<{ name: string; api: string }>(Prisma.sql`
    select name, resource_server_id as api from scope where name = any(${names}) order by name`);
}

/** A new key by which we prove to a provider that it is us (private_key_jwt, RFC 7523), as a private JWK. */
export async function newPrivateKey(): Promise<string> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return JSON.stringify({ ...(await exportJWK(privateKey)), kid: crypto.randomUUID(), alg: 'ES256', use: 'sig' });
}

/** Puts a credential in the place of the one that is kept. @returns a row, unless the provider is unknown. */
export function replaceCredentials(keyRing: KeyRing, id: string, credentials: string): Statement {
  return Prisma.sql`
    update upstream_provider set credentials = ${sealCredentials(keyRing, id, credentials)}, updated_at = now() where id = ${id} returning id`;
}

/** The public half of the key by which we prove to a provider that it is us; undefined when it is not by a key. */
export function publicKeyOf(keyRing: KeyRing, provider: UpstreamProvider): Record<string, unknown> | undefined {
  const jwk = provider.settings.clientAuthMethod === 'private_key_jwt' ? credentialsOf(keyRing, provider) : undefined;
  return jwk === undefined ? undefined : publicHalf(jwk);
}

// What is told is listed, not what is kept back: a member that nobody thought of stays with us (RFC 7518 section 6).
const PUBLIC = ['kty', 'kid', 'alg', 'crv', 'x', 'y', 'n', 'e'];

function publicHalf(jwk: string): Record<string, unknown> {
  const members: Record<string, unknown> = JSON.parse(jwk);
  return { ...Object.fromEntries(PUBLIC.filter((name) => members[name] !== undefined).map((name) => [name, members[name]])), use: 'sig' };
}
