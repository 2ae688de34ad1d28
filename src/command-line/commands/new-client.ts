import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { recordEvent, recordEventForEach } from '../../audit/events.ts';
import { FAPI_PROFILE } from '../../oauth/clients/client-profile.ts';
import { OWN_CLIENTS } from '../../oauth/clients/first-party.ts';
import { isLoopback } from '../../oauth/clients/redirect-uri.ts';
import { type ClientMetadata, holderOfSecret, rotateSecret, saveClient } from '../../oauth/clients/store.ts';
import { listResourceServers } from '../../oauth/scopes/resource-servers.ts';
import { HOUR } from '../../platform/clock.ts';
import { readConfig } from '../../platform/config.ts';
import type { Database } from '../../platform/database.ts';
import { randomSecret } from '../../platform/secrets.ts';
import { type Call, type Command, DONE, type Flag, type Installed, REFUSED, UsageError } from '../command.ts';
import { keyRingAsWritten, OPERATOR, ownClientStays, withDatabase } from '../operator.ts';
import { confirmed, printable, quoted } from '../terminal.ts';

/** Owns the commands that give a client a secret: the admin API has no route for them, since its answers must not carry one. */

const text = (value: string, help: string): Flag => ({ type: 'string', value, help });
const several = (value: string, help: string): Flag => ({ ...text(value, help), multiple: true });
const bare = (help: string): Flag => ({ type: 'boolean', help });

const CREATE_FLAGS = {
  name: { ...text('NAME', 'What users read on the consent page.'), required: true },
  'redirect-uri': several(
    'URI',
    'Where the browser may return to; give it again for several. http is allowed on the loopback interface, and with a warning on a private network: a name without a dot, .lan, .local, .internal, .home.arpa, .intranet, or a private address.',
  ),
  'grant-type': several('TYPE', 'Give it again for several. authorization_code unless given; none for a client that only introspects.'),
  auth: text('METHOD', 'client_secret_basic (unless given), client_secret_post, private_key_jwt or none.'),
  'jwks-file': text('FILE', "The client's public keys, as a JSON Web Key Set; - for stdin."),
  'jwks-uri': text('URL', 'Where the client publishes its public keys.'),
  native: bare(
    "An app on users' own devices. A client with a scheme of its own is native without this. So is a client without a secret, if all its redirect URIs are on the loopback interface.",
  ),
  'refresh-grace': text(
    'SECONDS',
    'How long a repeated refresh gets the same answer: 10 unless given, at most 60. With 0 each repeat counts as replay.',
  ),
  'no-refresh-rotation': bare('Keep one refresh token instead of replacing it at each use; not for --auth none.'),
  fapi: bare(
    'The FAPI 2.0 Security Profile: with --auth private_key_jwt, the client pushes its requests and its tokens are bound to a key.',
  ),
  'require-pkce': bare("Refuse its requests without PKCE (RFC 7636). A public client's are always refused."),
  introspects: text('RESOURCE', 'The identifier of the resource server whose tokens the client may introspect (RFC 7662).'),
} satisfies Record<string, Flag>;

type Values = { [name in keyof typeof CREATE_FLAGS]?: (typeof CREATE_FLAGS)[name] extends { multiple: true } ? string[] : string };

const OVERLAP_HOURS = '24';

export const CLIENT_COMMANDS: Command[] = [
  {
    noun: 'clients',
    verb: 'create',
    summary: 'Make a client by the rules of the registration endpoint, and show its secret once',
    flags: CREATE_FLAGS,
    json: true,
    notes: "  The command reads the server's environment.",
    run: ({ flags, installed, json }) => create(flags as Values, installed.features, json),
  },
  {
    noun: 'clients',
    verb: 'new-secret',
    summary: 'Make another secret for a client, and show it once',
    operands: ['ID'],
    flags: {
      'expire-old-in': text(
        'HOURS',
        `How long the older secrets stay valid: ${OVERLAP_HOURS} unless given. 0 ends them at once, and asks first.`,
      ),
    },
    asks: true,
    json: true,
    run: newSecret,
  },
];

const SECRETLESS = ['none', 'private_key_jwt'];

async function create(values: Values, features: Installed['features'], json: boolean): Promise<number> {
  const metadata = metadataFrom(values);
  const config = readConfig();
  return withDatabase(async (database) => {
    await assertIntrospectable(database, metadata);
    const { introspects, ...said } = metadata;
    // Loaded here: it brings the library along, which takes the other commands as long to load as all the rest.
    const { judgeClient } = await import('../../oauth/clients/operator-client.ts');
    const judged = await judgeClient({ config, database, keyRing: keyRingAsWritten(config), features }, said as ClientMetadata);
    const event = recordEvent(OPERATOR, { type: 'client_made', clientId: metadata.client_id });
    await database.transaction([...saveClient({ ...judged, introspects } as ClientMetadata), event]);
    const secret = metadata.client_secret;
    if (json) console.log(JSON.stringify({ client_id: metadata.client_id, client_secret: secret }, null, 2));
    else console.log(`client_id      ${metadata.client_id}${secret ? `\nclient_secret  ${secret}\n\nThe secret is shown once.` : ''}`);
    for (const note of notesOn(said, judged)) console.error(`\n${note}`);
    return DONE;
  });
}

/** Warnings for the operator who made a client: addresses that are not safe everywhere, and members that the server left out. */
function notesOn(said: Record<string, unknown>, judged: ClientMetadata): string[] {
  const plain = listOf(judged['redirect_uris']).filter((uri) => /^http:/i.test(uri) && !isLoopback(uri));
  const lost = listOf(said['grant_types']).filter((grant) => !listOf(judged['grant_types']).includes(grant));
  return [
    ...plain.map(
      (uri) => `Warning: ${uri} is not encrypted. Anyone on that network can read the answer on its way: use https where you can.`,
    ),
    ...lost.map((grant) => `Left out: this server has no grant ${quoted(grant)}, or gives it in another way.`),
  ];
}

const listOf = (list: unknown): string[] => (Array.isArray(list) ? list.map(String) : []);

/** What the options say, in the words of RFC 7591. @throws UsageError for what no client could be. */
function metadataFrom(values: Values): ClientMetadata {
  const [uris, method] = [values['redirect-uri'] ?? [], values.auth ?? 'client_secret_basic'];
  const grants = values['grant-type'] ?? (uris.length ? ['authorization_code'] : []);
  if (!values.name?.trim()) throw new UsageError('--name must not be empty');
  if (!uris.length && !grants.length && !values.introspects)
    throw new UsageError('say what the client is for: --redirect-uri, or another --grant-type, or --introspects');
  if (values.introspects && method === 'none')
    throw new UsageError('a client that introspects must authenticate: choose another --auth than none');
  return {
    client_id: randomUUID(),
    client_name: values.name.trim(),
    redirect_uris: uris,
    grant_types: grants,
    response_types: grants.includes('authorization_code') ? ['code'] : [],
    token_endpoint_auth_method: method,
    ...(values.fapi ? { fapi_profile: FAPI_PROFILE } : undefined),
    ...(values.native ? { application_type: 'native' } : undefined),
    ...(values['refresh-grace'] === undefined ? undefined : { refresh_token_grace: Number(values['refresh-grace'] || Number.NaN) }),
    ...(values['no-refresh-rotation'] ? { refresh_token_rotation: false } : undefined),
    ...(values['require-pkce'] ? { require_pkce: true } : undefined),
    ...(values['jwks-file'] ? { jwks: readJson(values['jwks-file']) } : undefined),
    ...(values['jwks-uri'] ? { jwks_uri: values['jwks-uri'] } : undefined),
    ...(values.introspects ? { introspects: values.introspects } : undefined),
    ...(SECRETLESS.includes(method) ? undefined : { client_secret: randomSecret() }),
  };
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8'));
  } catch {
    throw new Error(`--jwks-file: ${file} cannot be read, or is not JSON`);
  }
}

async function assertIntrospectable(database: Database, { introspects }: ClientMetadata): Promise<void> {
  if (!introspects) return;
  const known = (await listResourceServers(database)).map(({ identifier }) => identifier);
  if (!known.includes(introspects))
    throw new Error(`there is no resource server ${quoted(introspects)}: there is ${known.join(', ') || 'none'}`);
}

async function newSecret({ operands: [clientId = ''], flags, yes, json }: Call): Promise<number> {
  const hours = String(flags['expire-old-in'] ?? OVERLAP_HOURS);
  if (!/^\d+(\.\d+)?$/.test(hours)) throw new UsageError('--expire-old-in takes a number of hours');
  const overlapHours = Number(hours);
  // Every node derives theirs from DATA_ENCRYPTION_KEYS: with another one the server's own API could not ask about tokens.
  if (OWN_CLIENTS.includes(clientId)) throw new Error(ownClientStays(`client ${clientId}`));
  if (overlapHours === 0 && !(await confirmed(`End every secret that ${printable(clientId)} has, at once?`, yes))) return REFUSED;
  return withDatabase(async (database) => {
    const secret = randomSecret();
    const event = recordEventForEach(OPERATOR, { type: 'client_secret_made', detail: { overlapHours } }, holderOfSecret(secret));
    await database.transaction([rotateSecret(clientId, secret, overlapHours * HOUR), event]);
    const [made] = await database.query(holderOfSecret(secret));
    if (!made) throw new Error(`there is no client ${printable(clientId)} that authenticates by a secret`);
    if (json) console.log(JSON.stringify({ client_id: clientId, client_secret: secret }, null, 2));
    else
      console.log(
        `${secret}\n\nThis is shown once. Older secrets of ${clientId} ${overlapHours ? `end within ${overlapHours} hours` : 'have ended'}.`,
      );
    return DONE;
  });
}
