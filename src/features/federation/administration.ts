import { exportJWK, generateKeyPair } from 'jose';
import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import type { KeyRing } from '../../platform/secrets.ts';
import { credentialsOf, readProvider, type Service, scopeOf, sealCredentials, serviceRows, type UpstreamProvider } from './providers.ts';

/** Owns what operators list and change about upstream providers. See saveProvider() for adding one. */

export type KnownProvider = UpstreamProvider & {
  /** How many users have linked an account there. */
  linked: number;
  disabledAt: Date | null;
};

/** @returns all providers, disabled ones included, in the order in which users see them. */
export async function listKnownProviders(database: Database): Promise<KnownProvider[]> {
  const rows = await database.prisma.upstreamProvider.findMany({
    include: { services: { orderBy: [{ position: 'asc' }, { name: 'asc' }] }, _count: { select: { identities: true } } },
    orderBy: [{ position: 'asc' }, { id: 'asc' }],
  });
  return rows.map((row) => ({ ...readProvider(row), linked: row._count.identities, disabledAt: row.disabledAt }));
}

/** @returns one provider, even a disabled one. */
export async function knownProvider(database: Database, id: string): Promise<KnownProvider | undefined> {
  return (await listKnownProviders(database)).find((provider) => provider.id === id);
}

/**
 * Disables a provider for users and clients until an operator enables it again. Links and tokens stay.
 * @returns a statement that returns a row, unless the provider is unknown.
 */
export function disableProvider(id: string): Statement {
  return Prisma.sql`update upstream_provider set disabled_at = coalesce(disabled_at, now()), updated_at = now() where id = ${id} returning id`;
}

/** @returns a statement that returns a row, unless the provider is unknown. */
export function enableProvider(id: string): Statement {
  return Prisma.sql`update upstream_provider set disabled_at = null, updated_at = now() where id = ${id} returning id`;
}

/** @returns the query for the users who linked a provider, in the form that auditEventForEach() takes. */
export function linkedPeople(id: string): Statement {
  return Prisma.sql`select account_id, null::text as client_id from upstream_identity where provider_id = ${id}`;
}

/**
 * @returns statements, to run together, that disable a provider and delete every link to it.
 * @param event the statement that records an event for each of linkedPeople().
 */
export function unlinkEverybody(id: string, event: Statement): Statement[] {
  return [disableProvider(id), event, Prisma.sql`delete from upstream_identity where provider_id = ${id}`];
}

/** @returns how many tokens of deleted links are still to be revoked at the provider: see revocations.ts. */
export async function untold(database: Database, id: string): Promise<number> {
  const [row] = await database.query<{ tokens: number }>(
    Prisma.sql`select count(*)::int as tokens from upstream_revocation where provider_id = ${id} and expires_at > now()`,
  );
  return row?.tokens ?? 0;
}

/** @returns statements, to run together, that delete a provider without links. */
export function removeProvider(id: string): Statement[] {
  return [
    Prisma.sql`delete from upstream_provider where id = ${id}`,
    // Without the provider's settings, its tokens can no longer be revoked there.
    Prisma.sql`delete from upstream_revocation where provider_id = ${id}`,
  ];
}

/** @returns how many users could not sign in without this provider, because they have no password, passkey or other link. */
export async function dependents(database: Database, id: string): Promise<number> {
  const [row] = await database.query<{ people: number }>(Prisma.sql`
    select count(*)::int as people from upstream_identity i join user_account u on u.id = i.account_id
    where i.provider_id = ${id} and u.password_hash is null
      and not exists (select from passkey p where p.account_id = u.id)
      and not exists (select from upstream_identity o where o.account_id = u.id and o.provider_id <> ${id})`);
  return row?.people ?? 0;
}

/** Replaces the services of a provider. */
export async function replaceServices(database: Database, id: string, services: Service[]): Promise<void> {
  await database.prisma.$transaction([
    database.prisma.upstreamService.deleteMany({ where: { providerId: id } }),
    database.prisma.upstreamService.createMany({ data: serviceRows(id, services) }),
  ]);
}

/** @returns the provider's scopes that an API of this server already has. A scope name must have one meaning. */
export async function takenScopes(
  database: Database,
  provider: { id: string; services: Service[] },
): Promise<{ name: string; api: string }[]> {
  const names = provider.services.map((service) => scopeOf(provider, service));
  return database.query<{ name: string; api: string }>(Prisma.sql`
    select name, resource_server_id as api from scope where name = any(${names}) order by name`);
}

/** @returns a new private JWK with which we authenticate to a provider (private_key_jwt, RFC 7523). */
export async function newPrivateKey(): Promise<string> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return JSON.stringify({ ...(await exportJWK(privateKey)), kid: crypto.randomUUID(), alg: 'ES256', use: 'sig' });
}

/** Replaces the stored credentials. @returns a statement that returns a row, unless the provider is unknown. */
export function replaceCredentials(keyRing: KeyRing, id: string, credentials: string): Statement {
  return Prisma.sql`
    update upstream_provider set credentials = ${sealCredentials(keyRing, id, credentials)}, updated_at = now() where id = ${id} returning id`;
}

/** @returns the public half of the key with which we authenticate to a provider; undefined for another authentication method. */
export function publicKeyOf(keyRing: KeyRing, provider: UpstreamProvider): Record<string, unknown> | undefined {
  const jwk = provider.settings.clientAuthMethod === 'private_key_jwt' ? credentialsOf(keyRing, provider) : undefined;
  return jwk === undefined ? undefined : publicHalf(jwk);
}

// List the public members instead of removing the private ones, so that an unexpected member is never published (RFC 7518 section 6).
const PUBLIC = ['kty', 'kid', 'alg', 'crv', 'x', 'y', 'n', 'e'];

function publicHalf(jwk: string): Record<string, unknown> {
  const members: Record<string, unknown> = JSON.parse(jwk);
  return { ...Object.fromEntries(PUBLIC.filter((name) => members[name] !== undefined).map((name) => [name, members[name]])), use: 'sig' };
}
