import { z } from 'zod';
import { type Database, Prisma } from '../../platform/database.ts';
import type { SealedColumn } from '../../platform/reseal.ts';
import type { KeyRing } from '../../platform/secrets.ts';
import { presetNamed } from './presets.ts';

/**
 * Owns which upstream providers there are: somebody else's authorization servers, by which people sign in and whose APIs apps reach with
 * them. What is spoken with one is upstream.ts's.
 */

const url = z.url({ protocol: /^https?$/, error: 'must be an absolute URL' });
const words = z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'must be scopes (RFC 6749 section 3.3)'));
/** Where in the provider's answer a detail is: `email`, or a path such as `kakao_account.email`. */
const path = z.string().regex(/^[\w:-]+(\.[\w:-]+)*$/, 'must be a member or a path of members with dots between');

/** What an operator says of a provider. A preset fills in what is left out. */
export const settingsSchema = z
  .object({
    /** OpenID Connect: everything else is discovered (OIDC Discovery 1.0). */
    issuer: url.optional(),
    /** Plain OAuth 2.0: what cannot be discovered. */
    endpoints: z.object({ authorization: url, token: url, userinfo: url, revocation: url.optional(), issuer: url.optional() }).optional(),
    clientId: z.string().min(1),
    clientAuthMethod: z
      .enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'apple', 'none'])
      .default('client_secret_basic'),
    /** What is asked for at sign-in. */
    scopes: words.default([]),
    /** How scopes are written next to one another; all but a few follow RFC 6749 section 3.3. */
    scopeSeparator: z.enum([' ', ',']).default(' '),
    /** Beside the standard's parameters, at each authorization. */
    authorizationParameters: z.record(z.string(), z.string()).default({}),
    /** Beside those, where the provider is to give a refresh token for an app. */
    offlineParameters: z.record(z.string(), z.string()).default({}),
    /** Where its answer has what. `emailVerified` absent: its addresses are nobody's proof. */
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
    /** Whether people may sign in by it; if not, it can still be connected by who is signed in. */
    signIn: z.boolean().default(true),
    /** Whether it may be in the operator's own network, or speak http there. Otherwise only https to public addresses is spoken. */
    privateNetwork: z.boolean().default(false),
  })
  .refine(({ issuer, endpoints }) => (issuer === undefined) !== (endpoints === undefined), 'needs an issuer or endpoints, and not both');

export type ProviderSettings = z.infer<typeof settingsSchema>;

/** What apps can ask to do at a provider. Its scope is `provider:name`. */
export type Service = { name: string; upstreamScopes: string[]; sensitive: boolean; title: { ko: string; en: string } };

export type UpstreamProvider = {
  /** A short name, in addresses and scopes. */
  id: string;
  name: string;
  settings: ProviderSettings;
  /** The client secret or private key, sealed: see credentialsOf(). */
  credentials: string | null;
  services: Service[];
};

/** `return` is the place that people come back to, beside those by which they leave. */
export const PROVIDER_ID = /^(?!return$)[a-z][a-z0-9-]{1,30}$/;
export const SERVICE_NAME = /^[a-z0-9][a-z0-9._-]{0,40}$/;

/** The scope by which a client asks for a service. */
export const scopeOf = (provider: Pick<UpstreamProvider, 'id'>, service: Pick<Service, 'name'>): string => `${provider.id}:${service.name}`;

/** Where the provider sends browsers back to: registered there, one for each provider, so that answers cannot be mixed up (RFC 9700 section 4.4). */
export const callbackOf = (issuer: string, providerId: string): string => `${issuer}/upstream/${providerId}/callback`;

type Row = {
  id: string;
  name: string;
  settings: unknown;
  credentials: string | null;
  services: (Omit<Service, 'title'> & { titleKo: string; titleEn: string })[];
};

/** A row of the table with those of its services. @throws z.ZodError for settings that an older or newer release wrote otherwise. */
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

/** All that are enabled, in the order people see them. */
export async function listProviders(database: Database): Promise<UpstreamProvider[]> {
  const rows = await database.prisma.upstreamProvider.findMany({
    where: { disabledAt: null },
    include: WITH_SERVICES,
    orderBy: [{ position: 'asc' }, { id: 'asc' }],
  });
  return rows.map(readProvider);
}

/** The ids of all, be they disabled: what begins with one and a colon is a service there. */
export async function listProviderIds(database: Database): Promise<string[]> {
  return (await database.query<{ id: string }>(Prisma.sql`select id from upstream_provider`)).map(({ id }) => id);
}

/** Those by which people sign in, as far as it takes to offer them: asked for at each sign-in page. */
export function listSignInProviders(database: Database): Promise<Pick<UpstreamProvider, 'id' | 'name'>[]> {
  return database.query(Prisma.sql`
    select id, name from upstream_provider
    where disabled_at is null and coalesce((settings->>'signIn')::boolean, true) order by position, id`);
}

/** @param evenDisabled for what is to be told to one that is not used any more. @returns undefined for one that is unknown or disabled. */
export async function findProvider(database: Database, id: string, evenDisabled = false): Promise<UpstreamProvider | undefined> {
  if (!PROVIDER_ID.test(id)) return undefined;
  const enabled = evenDisabled ? {} : { disabledAt: null };
  const row = await database.prisma.upstreamProvider.findFirst({ where: { id, ...enabled }, include: WITH_SERVICES });
  return row ? readProvider(row) : undefined;
}

export type ProviderToSave = {
  id: string;
  name: string;
  /** The name of a preset whose settings count where `settings` says nothing. */
  preset?: string;
  settings: Record<string, unknown>;
  /** In clear: a client secret, or a private JWK as JSON, or for `apple` what apple-secret.ts describes. Left out, the one that is kept stays. */
  credentials?: string;
  services: Service[];
};

/** Adds a provider, or puts another in its place; its links stay. @throws z.ZodError for settings that make no sense. */
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

/** Services as rows of the table, in the order people read them. */
export const serviceRows = (providerId: string, services: Service[]) =>
  services.map(({ title, ...service }, position) => ({ ...service, providerId, position, titleKo: title.ko, titleEn: title.en }));

/** A client secret or private key as it is kept. */
export const sealCredentials = (keyRing: KeyRing, id: string, credentials: string): string => keyRing.encrypt(credentials, sealedAs(id));

/** The client secret or private JWK in clear. @throws Error when no key of the ring opens it. */
export function credentialsOf(keyRing: KeyRing, { id, credentials }: UpstreamProvider): string | undefined {
  return credentials === null ? undefined : keyRing.decrypt(credentials, sealedAs(id));
}

const sealedAs = (id: string) => `upstream provider ${id}`;

/** For a change of keys. */
export const SEALED_CREDENTIALS: SealedColumn = { table: 'upstream_provider', id: 'id', column: 'credentials', context: sealedAs };
