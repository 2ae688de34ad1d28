import { z } from 'zod';
import { type Database, Prisma } from '../../platform/database.ts';
import type { SealedColumn } from '../../platform/sealed-column.ts';
import type { KeyRing } from '../../platform/secrets.ts';
import { presetNamed } from './presets.ts';

/**
 * Owns the list of upstream providers: authorization servers of others, with which users sign in and whose APIs clients reach. See
 * upstream.ts for the protocol with them.
 */

const url = z.url({ protocol: /^https?$/, error: 'must be an absolute URL' });
const words = z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'must be scopes (RFC 6749 section 3.3)'));
/** Where a claim is in the provider's answer: `email`, or a path such as `kakao_account.email`. */
const path = z.string().regex(/^[\w:-]+(\.[\w:-]+)*$/, 'must be a member or a path of members with dots between');

/** A provider's settings. A preset fills in missing ones. */
export const settingsSchema = z
  .object({
    /** For OpenID Connect: discovery finds everything else (OIDC Discovery 1.0). */
    issuer: url.optional(),
    /** For plain OAuth 2.0, which has no discovery. */
    endpoints: z.object({ authorization: url, token: url, userinfo: url, revocation: url.optional(), issuer: url.optional() }).optional(),
    clientId: z.string().min(1),
    clientAuthMethod: z
      .enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'apple', 'none'])
      .default('client_secret_basic'),
    /** The scopes requested at sign-in. */
    scopes: words.default([]),
    /** The separator between scopes. RFC 6749 section 3.3 requires a space; a few providers use a comma. */
    scopeSeparator: z.enum([' ', ',']).default(' '),
    /** Extra parameters of every authorization request. */
    authorizationParameters: z.record(z.string(), z.string()).default({}),
    /** Further parameters when a client needs a refresh token. */
    offlineParameters: z.record(z.string(), z.string()).default({}),
    /** Where each claim is. Without `emailVerified`, the provider's addresses never count as proof. */
    claims: z
      .object({
        subject: path.default('sub'),
        email: path.optional(),
        emailVerified: path.optional(),
        name: path.optional(),
        username: path.optional(),
        locale: path.optional(),
      })
      .default({
        subject: 'sub',
        email: 'email',
        emailVerified: 'email_verified',
        name: 'name',
        username: 'preferred_username',
        locale: 'locale',
      }),
    /** Whether users may sign in with it. A signed-in user can connect it in any case. */
    signIn: z.boolean().default(true),
    /** Whether it may be in the operator's own network or use http. Otherwise only https to public addresses is allowed. */
    privateNetwork: z.boolean().default(false),
  })
  .refine(({ issuer, endpoints }) => (issuer === undefined) !== (endpoints === undefined), 'needs an issuer or endpoints, and not both');

export type ProviderSettings = z.infer<typeof settingsSchema>;

/** What clients can request to do at a provider. Its scope is `provider:name`. */
export type Service = { name: string; upstreamScopes: string[]; sensitive: boolean; title: { ko: string; en: string } };

export type UpstreamProvider = {
  /** A short name for paths and scopes. */
  id: string;
  name: string;
  settings: ProviderSettings;
  /** The client secret or private key, sealed: see credentialsOf(). */
  credentials: string | null;
  services: Service[];
};

/** `return` is reserved: it is the path segment to which browsers return. */
export const PROVIDER_ID = /^(?!return$)[a-z][a-z0-9-]{1,30}$/;
export const SERVICE_NAME = /^[a-z0-9][a-z0-9._-]{0,40}$/;

/** @returns the scope with which a client requests a service. */
export const scopeOf = (provider: Pick<UpstreamProvider, 'id'>, service: Pick<Service, 'name'>): string => `${provider.id}:${service.name}`;

/**
 * @returns the redirect URI to register at the provider. Each provider has its own, so answers of two providers cannot be mixed up (RFC
 * 9700 section 4.4).
 */
export const callbackOf = (issuer: string, providerId: string): string => `${issuer}/upstream/${providerId}/callback`;

type Row = {
  id: string;
  name: string;
  settings: unknown;
  credentials: string | null;
  services: (Omit<Service, 'title'> & { titleKo: string; titleEn: string })[];
};

/** Reads a provider's row with those of its services. @throws z.ZodError for settings of an incompatible release. */
export const readProvider = ({ id, name, credentials, services, settings }: Row): UpstreamProvider => ({
  id,
  name,
  credentials,
  settings: settingsSchema.parse(settings),
  services: services.map(({ name, upstreamScopes, sensitive, titleKo, titleEn }) => ({
    name,
    upstreamScopes,
    sensitive,
    title: { ko: titleKo, en: titleEn },
  })),
});

const WITH_SERVICES = { services: { orderBy: [{ position: 'asc' as const }, { name: 'asc' as const }] } };

/** @returns all enabled providers, in the order in which users see them. */
export async function listProviders(database: Database): Promise<UpstreamProvider[]> {
  const rows = await database.prisma.upstreamProvider.findMany({
    where: { disabledAt: null },
    include: WITH_SERVICES,
    orderBy: [{ position: 'asc' }, { id: 'asc' }],
  });
  return rows.map(readProvider);
}

/** @returns the ids of all providers, disabled ones included. A scope that begins with such an id and a colon is a service there. */
export async function listProviderIds(database: Database): Promise<string[]> {
  return (await database.query<{ id: string }>(Prisma.sql`select id from upstream_provider`)).map(({ id }) => id);
}

/** @returns the providers for sign-in. Reads only the columns that the sign-in page shows, since each view of the page runs it. */
export function listSignInProviders(database: Database): Promise<Pick<UpstreamProvider, 'id' | 'name'>[]> {
  return database.query(Prisma.sql`
    select id, name from upstream_provider
    where disabled_at is null and coalesce((settings->>'signIn')::boolean, true) order by position, id`);
}

/** @param evenDisabled also finds a disabled provider, for revocation there. @returns undefined for an unknown or disabled provider. */
export async function findProvider(database: Database, id: string, evenDisabled = false): Promise<UpstreamProvider | undefined> {
  if (!PROVIDER_ID.test(id)) return undefined;
  const enabled = evenDisabled ? {} : { disabledAt: null };
  const row = await database.prisma.upstreamProvider.findFirst({ where: { id, ...enabled }, include: WITH_SERVICES });
  return row ? readProvider(row) : undefined;
}

export type ProviderToSave = {
  id: string;
  name: string;
  /** The name of a preset, whose settings apply where `settings` has none. */
  preset?: string;
  settings: Record<string, unknown>;
  /**
   * In clear text: a client secret, a private JWK as JSON, or for `apple` what apple-secret.ts describes. Without it, the stored one stays.
   */
  credentials?: string;
  services: Service[];
};

/** Adds or replaces a provider; its links stay. @throws z.ZodError for invalid settings. */
export async function saveProvider(database: Database, keyRing: KeyRing, provider: ProviderToSave): Promise<void> {
  const { id, name, preset, services } = provider;
  const settings = settingsSchema.parse({ ...presetNamed(preset), ...provider.settings });
  const credentials = provider.credentials === undefined ? undefined : sealCredentials(keyRing, id, provider.credentials);
  const row = { name, settings: settings as Prisma.InputJsonObject, ...(credentials ? { credentials } : undefined), disabledAt: null };
  await database.prisma.$transaction([
    database.prisma.upstreamProvider.upsert({ where: { id }, create: { id, ...row }, update: row }),
    database.prisma.upstreamService.deleteMany({ where: { providerId: id } }),
    database.prisma.upstreamService.createMany({ data: serviceRows(id, services) }),
  ]);
}

/** @returns services as rows, in the order in which users see them. */
export const serviceRows = (providerId: string, services: Service[]) =>
  services.map(({ title, ...service }, position) => ({ ...service, providerId, position, titleKo: title.ko, titleEn: title.en }));

/** @returns a client secret or private key as it is stored. */
export const sealCredentials = (keyRing: KeyRing, id: string, credentials: string): string => keyRing.encrypt(credentials, sealedAs(id));

/** @returns the client secret or private JWK in clear text. @throws Error when no key of the ring decrypts it. */
export function credentialsOf(keyRing: KeyRing, { id, credentials }: UpstreamProvider): string | undefined {
  return credentials === null ? undefined : keyRing.decrypt(credentials, sealedAs(id));
}

const sealedAs = (id: string) => `upstream provider ${id}`;

/** For key rotation. */
export const SEALED_CREDENTIALS: SealedColumn = { table: 'upstream_provider', id: 'id', column: 'credentials', context: sealedAs };
