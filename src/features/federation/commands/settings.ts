import { createPrivateKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { recordEventForEach } from '../../../audit/events.ts';
import { type Flag, UsageError } from '../../../command-line/command.ts';
import { OPERATOR } from '../../../command-line/operator.ts';
import { MAX_NAME_CHARACTERS } from '../../../oauth/clients/display-name.ts';
import { isStorable, type Statement } from '../../../platform/database.ts';
import { isBlank, isDeceptive } from '../../../platform/visible-text.ts';
import { type KnownProvider, linkedPeople } from '../administration.ts';
import { PRESETS, presetNamed } from '../presets.ts';
import { PROVIDER_ID, type ProviderSettings, type ProviderToSave, SERVICE_NAME, type Service, settingsSchema } from '../providers.ts';

/** Owns what an operator writes behind `providers add` and `providers services`: what it means, and the sentence when it means nothing. */

const text = (value: string, help: string) => ({ type: 'string', value, help }) as const satisfies Flag;
const bare = (help: string) => ({ type: 'boolean', help }) as const satisfies Flag;

/** What apps can ask for at a provider. */
export const SERVICE_FLAGS = {
  service: {
    ...text(
      'SERVICE',
      "'NAME=SCOPE SCOPE; KOREAN SENTENCE; ENGLISH SENTENCE'; give it again for several, such as 'calendar.read=https://www.googleapis.com/auth/calendar.readonly; 내 일정 보기; See your calendar'.",
    ),
    multiple: true,
  },
  services: text('FILE', 'The same as JSON: [{"name", "upstreamScopes": [], "title": {"ko", "en"}, "sensitive": true}].'),
  none: bare('No services.'),
} as const;

export const ADD_FLAGS = {
  preset: text('NAME', `A provider whose settings are known: ${Object.keys(PRESETS).join(', ')}.`),
  issuer: text('URL', 'An OpenID Connect provider; the server discovers the rest.'),
  settings: text(
    'FILE',
    'JSON of features/federation/providers.ts, for a provider without discovery ("endpoints") or with ways of its own. Other flags win over it.',
  ),
  name: text('NAME', 'What users read.'),
  'client-id': text('CLIENT_ID', 'The client_id of this server at the provider.'),
  'secret-file': text(
    'FILE',
    'Where the secret of this server at the provider is, - for stdin. It is stored encrypted. For Apple, the .p8 file of the key.',
  ),
  auth: text('METHOD', 'client_secret_basic (unless given), client_secret_post, private_key_jwt, apple or none.'),
  scopes: text("'A B'", "What this server asks for at sign-in; 'openid email profile' with --issuer."),
  'team-id': text('ID', "Apple's name of you."),
  'key-id': text('ID', "Apple's name of the key."),
  'private-network': bare('The provider may be in your own network, and speak http there.'),
  'no-sign-in': bare('Users cannot sign in by it, but can link it when they are signed in.'),
  ...SERVICE_FLAGS,
} as const;

export type Options = {
  [name in keyof typeof ADD_FLAGS]?: (typeof ADD_FLAGS)[name] extends { multiple: true }
    ? string[]
    : (typeof ADD_FLAGS)[name]['type'] extends 'boolean'
      ? boolean
      : string;
};

/** What to save for `add`. @param known the provider of that id, whose services and name stay when nothing else is said. @throws UsageError */
export function providerFrom(id: string, options: Options, known: KnownProvider | undefined): ProviderToSave {
  if (!PROVIDER_ID.test(id))
    throw new UsageError(`${JSON.stringify(id)} is no id: 2 to 31 small letters, digits and hyphens, a letter first`);
  const given = { ...presetNamed(options.preset), ...settingsFrom(options) };
  const parsed = settingsSchema.safeParse(given);
  if (!parsed.success) throw new UsageError(parsed.error.issues.map(({ path, message }) => [...path, message].join(' ')).join('; '));
  // Subjects are the provider's: at another place they would be other people.
  if (known?.linked && placeOf(known.settings) !== placeOf(parsed.data))
    throw new Error(`${known.linked} linked people are of ${placeOf(known.settings)}: add ${placeOf(parsed.data)} by another id`);
  const name = options.name?.trim() ?? known?.name ?? PRESETS[options.preset ?? '']?.name ?? id;
  assertSentence(name, MAX_NAME_CHARACTERS, '--name');
  const credentials = credentialsFrom(parsed.data.clientAuthMethod, options);
  const asBefore = known?.credentials && known.settings.clientAuthMethod === parsed.data.clientAuthMethod;
  if (credentials === undefined && !asBefore && !['none', 'private_key_jwt'].includes(parsed.data.clientAuthMethod))
    throw new UsageError(`it authenticates us by ${parsed.data.clientAuthMethod}: say where the secret is with --secret-file, - for stdin`);
  return {
    id,
    name,
    settings: given,
    ...(credentials === undefined ? undefined : { credentials }),
    services: hasServices(options) ? servicesFrom(options) : (known?.services ?? []),
  };
}

/** Whose the subjects are. */
export const placeOf = ({ issuer, endpoints }: ProviderSettings): string => issuer ?? new URL(String(endpoints?.authorization)).origin;

function settingsFrom(options: Options): Record<string, unknown> {
  const file = options.settings === undefined ? {} : readJson(options.settings, z.record(z.string(), z.unknown()));
  // An operator who names an issuer alone wants to know who it is.
  const scopes = options.scopes?.split(' ').filter(Boolean) ?? (options.issuer ? ['openid', 'email', 'profile'] : undefined);
  const said = {
    issuer: options.issuer,
    clientId: options['client-id'],
    clientAuthMethod: options.auth,
    scopes,
    signIn: options['no-sign-in'] ? false : undefined,
    privateNetwork: options['private-network'],
  };
  return { ...file, ...Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined)) };
}

function credentialsFrom(method: string, options: Options): string | undefined {
  const file = options['secret-file'];
  const [teamId, keyId] = [options['team-id'], options['key-id']];
  if (method !== 'apple' && (teamId || keyId)) throw new UsageError('--team-id and --key-id are for the way of Apple, --auth apple');
  if (file === undefined) return undefined;
  const secret = readText(file).trim();
  if (!secret) throw new UsageError(`there is nothing in ${file}`);
  if (method === 'none') throw new UsageError('it is told no secret, with --auth none');
  if (method === 'private_key_jwt') assertKey(file, () => createPrivateKey({ key: JSON.parse(secret), format: 'jwk' }));
  if (method !== 'apple') return secret;
  if (!teamId || !keyId) throw new UsageError('Apple takes --team-id and --key-id beside the .p8 file of the key');
  assertKey(file, () => createPrivateKey(secret), 'prime256v1');
  return JSON.stringify({ teamId, keyId, privateKey: secret });
}

/** @param curve which it must be of, if any. */
function assertKey(file: string, read: () => KeyObject, curve?: string): void {
  try {
    const key = read();
    if (curve === undefined || key.asymmetricKeyDetails?.namedCurve === curve) return;
  } catch {
    // Said below: what the library finds wrong says nothing to an operator, and may say too much of the key.
  }
  throw new UsageError(
    `${file} has no private key ${curve ? 'as Apple gives it, a .p8 file' : 'as a JWK; without --secret-file one is made'}`,
  );
}

const sentence = z.string().refine((text) => isSentence(text, 200), 'must be a sentence of 200 characters or fewer');
const servicesSchema = z.array(
  z.strictObject({
    name: z.string().regex(SERVICE_NAME, 'must be small letters, digits, dots, hyphens and underscores, 41 at most'),
    upstreamScopes: z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'must be a scope (RFC 6749 section 3.3)')).min(1),
    sensitive: z.boolean().default(true),
    title: z.strictObject({ ko: sentence, en: sentence }),
  }),
);

const hasServices = ({ service, services, none }: Options): boolean => Boolean(service || services !== undefined || none);

/** The services that were written, one by one or in a file. @throws UsageError */
export function servicesFrom({ service, services, none }: Options): Service[] {
  if ([service, services, none].filter((way) => way !== undefined).length !== 1)
    throw new UsageError('say the services in one way: --service for each, --services with a file, or --none');
  const found =
    services === undefined ? parse(servicesSchema, (service ?? []).map(serviceFrom), '--service') : readJson(services, servicesSchema);
  const twice = found.find(({ name }, at) => found.findIndex((other) => other.name === name) !== at);
  if (twice) throw new UsageError(`the service ${twice.name} is there twice`);
  return found;
}

/** `calendar.read=https://… https://…; 내 일정 보기; See your calendar` */
function serviceFrom(written: string): unknown {
  const [, name, scopes, ko, en] = /^([^=]*)=([^;]*);([^;]*);([^;]*)$/.exec(written) ?? [];
  if (name === undefined)
    throw new UsageError(`${JSON.stringify(written)} is no service: write NAME=SCOPE SCOPE; KOREAN SENTENCE; ENGLISH SENTENCE`);
  return { name: name.trim(), upstreamScopes: scopes?.split(' ').filter(Boolean), title: { ko: ko?.trim(), en: en?.trim() } };
}

function readJson<T>(file: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(readText(file));
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(`${file} is not JSON: ${error.message}`);
    throw error;
  }
  return parse(schema, value, file);
}

function parse<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new UsageError(parsed.error.issues.map(({ path, message }) => `${where}: ${[...path, message].join(' ')}`).join('; '));
}

const readText = (file: string) => readFileSync(file === '-' ? 0 : file, 'utf8');

function isSentence(text: string, most: number): boolean {
  return !isBlank(text) && [...text].length <= most && isStorable(text) && !isDeceptive(text);
}

function assertSentence(text: string, most: number, option: string): void {
  if (!isSentence(text, most))
    throw new UsageError(`${option} takes ${most} characters or fewer, without control, bidirectional or invisible ones`);
}

/** The audit event of each user who linked a provider, when an operator ends all links to it. */
export function tellUnlinked(id: string): Statement {
  return recordEventForEach(OPERATOR, { type: 'identity_unlinked', detail: { provider: id } }, linkedPeople(id));
}
