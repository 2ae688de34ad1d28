import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { MAX_NAME_CHARACTERS } from '../src/oauth/clients/display-name.ts';
import { isWebOrigin } from '../src/oauth/clients/redirect-uri.ts';
import { ADMIN_SCOPES, type AdminScope } from '../src/oauth/scopes/admin-scopes.ts';
import { isStorable } from '../src/platform/database.ts';
import { isBlank, isDeceptive } from '../src/platform/visible-text.ts';
import { UsageError } from './command.ts';

/** Owns what an operator writes behind `client`: what it means, and the sentence when it means nothing. */

export const HELP = `Usage: node scripts/client.ts list
       node scripts/client.ts show CLIENT_ID
       node scripts/client.ts create --name NAME [--redirect-uri URI …] [--grant-type TYPE …] [--auth METHOD] […]
       node scripts/client.ts suspend CLIENT_ID [--yes]
       node scripts/client.ts restore CLIENT_ID
       node scripts/client.ts delete CLIENT_ID [--yes]
       node scripts/client.ts new-secret CLIENT_ID [--expire-old-in HOURS] [--yes]
       node scripts/client.ts verify CLIENT_ID --publisher NAME [--yes]
       node scripts/client.ts unverify CLIENT_ID [--yes]
       node scripts/client.ts require-pkce CLIENT_ID [--yes]
       node scripts/client.ts waive-pkce CLIENT_ID [--yes]
       node scripts/client.ts allow-services CLIENT_ID --services PROVIDER,... [--origins ORIGIN,...] [--yes]
       node scripts/client.ts disallow-services CLIENT_ID [--yes]
       node scripts/client.ts allow-admin CLIENT_ID --scopes SCOPE,... [--yes]
       node scripts/client.ts disallow-admin CLIENT_ID [--yes]

  list           shows all clients: how they authenticate, who was verified to publish them, at which upstream providers they may act for
                 people, how many live secrets they have, and since when they are suspended
  show           shows all that is kept of a client; of its secrets, how old they are and when they end
  create         makes a client that you vouch for, by the rules of the registration endpoint, and shows its secret, this once
  suspend        makes a client as good as unknown, and ends its codes, tokens and grants at once; an API that checks JWT access
                 tokens by their signature alone takes them until they expire
  restore        lets a suspended client in again, with the secrets it had; what was ended stays so
  delete         takes a client out of the world, with all that it holds; nobody brings it back
  new-secret     makes a secret and shows it, this once
  verify         tells people on the consent page that NAME publishes the client; an app on a device is then asked about once, and not
                 each time. It holds until the client changes what it says of itself
  unverify       takes that back
  require-pkce   refuses requests of a client that have no PKCE challenge (RFC 7636)
  waive-pkce     takes that back. Public clients, and clients that bind their tokens or require PAR, must use PKCE all the same
  allow-services lets a client ask people to act for them at these upstream providers, and at no others, and exchange its tokens for
                 theirs there (RFC 8693)
  disallow-services  takes that back; what it got at a provider until then is valid there until it expires

  allow-admin    lets a client ask for these scopes of the admin API, and for no others (resource=ISSUER/admin/api): with them it does, for
                 itself, all that they allow, and for a person what that person may do besides
  disallow-admin takes that back; tokens that it has open nothing there any more

  --scopes SCOPE,...     of ${ADMIN_SCOPES.join(', ')}
  --name NAME            what people read on the consent page
  --redirect-uri URI     where answers may go, as often as there are such addresses. http is allowed on the loopback interface, and with a
                         warning on a private network: a name without a dot, .lan, .local, .internal, .home.arpa, .intranet, or a private
                         address
  --grant-type TYPE      as often as there are such; authorization_code unless said otherwise, and none for a client that only introspects
  --auth METHOD          client_secret_basic (unless said otherwise), client_secret_post, private_key_jwt or none
  --jwks-file FILE       the client's public keys, as a JSON Web Key Set; - for stdin
  --jwks-uri URL         where the client publishes them
  --native               an app on users' own devices. A client with a scheme of its own is one without saying so, and so is a client
                         without a secret whose redirect URIs are all on the loopback interface
  --refresh-grace SECONDS  for how long a repeated refresh gets the same answer: 10 unless given, 60 at most; 0 takes each repeat for replay
  --no-refresh-rotation  keeps one refresh token instead of replacing it at each use; not for --auth none
  --fapi                 the FAPI 2.0 Security Profile: with --auth private_key_jwt, the client pushes its requests and its tokens are bound to a key
  --require-pkce         refuse its requests without PKCE; a public client's always are
  --introspects RESOURCE the resource server, by its identifier, whose tokens the client may introspect (RFC 7662)
  --services PROVIDER,...  ids of upstream providers, as in scripts/provider.ts list
  --origins ORIGIN,...   where a web app of yours is, such as https://app.example: its pages get those tokens with the person's session here
                         alone, so let it be an app that is as trustworthy as this server
  --publisher NAME       who you found behind the client, by something better than its own word
  --expire-old-in HOURS  how long the secrets it has stay valid beside the new one: 24 unless given; 0 ends them at once
  --yes          does not ask first (all but list, show, create and restore ask; new-secret does when it ends the others at once)
  --help         shows this
  --             before a CLIENT_ID that begins with a dash: node scripts/client.ts show -- -abc

This server's own clients are shown, and stay as they are.
create reads the server's environment, as the server does; the others need DATABASE_URL alone.
Every node follows within a second, without a restart.
`;

const CREATE_OPTIONS = {
  name: { type: 'string' },
  'redirect-uri': { type: 'string', multiple: true },
  'grant-type': { type: 'string', multiple: true },
  auth: { type: 'string' },
  'jwks-file': { type: 'string' },
  'jwks-uri': { type: 'string' },
  native: { type: 'boolean' },
  'refresh-grace': { type: 'string' },
  'no-refresh-rotation': { type: 'boolean' },
  fapi: { type: 'boolean' },
  'require-pkce': { type: 'boolean' },
  introspects: { type: 'string' },
} as const satisfies ParseArgsOptionsConfig;

const OPTIONS = {
  ...CREATE_OPTIONS,
  help: { type: 'boolean' },
  yes: { type: 'boolean' },
  'expire-old-in': { type: 'string' },
  publisher: { type: 'string' },
  services: { type: 'string' },
  scopes: { type: 'string' },
  origins: { type: 'string' },
} as const satisfies ParseArgsOptionsConfig;

const OVERLAP_HOURS = '24';

const read = () => parseArgs({ allowPositionals: true, options: OPTIONS });
export type Values = ReturnType<typeof read>['values'];

/** What is asked to be done to one client. */
export type Asked = {
  clientId: string;
  yes: boolean | undefined;
  overlapHours: number;
  publisher: string;
  services: string[];
  origins: string[];
  scopes: AdminScope[];
};

/** What the command line says. @throws TypeError of parseArgs for an option that there is not. */
export function readArguments() {
  const { values, positionals } = read();
  const [command = '', clientId, ...more] = positionals;
  return { values, command, clientId, more };
}

/** @throws UsageError for options that the command does not take. */
export function rejectOthers(values: Values, command: string): void {
  const strange = Object.keys(CREATE_OPTIONS).find((name) => Object.hasOwn(values, name));
  if (strange && command !== 'create') throw new UsageError(`--${strange} is for create`);
}

/** @throws UsageError for options that make no sense with the command. */
export function askedOf(values: Values, command: string, clientId: string): Asked {
  const hours = values['expire-old-in'];
  if (hours !== undefined && (command !== 'new-secret' || !/^\d+(\.\d+)?$/.test(hours)))
    throw new UsageError('--expire-old-in is for new-secret, and takes a number of hours');
  const publisher = values.publisher?.trim();
  if ((publisher !== undefined) !== (command === 'verify') || (publisher !== undefined && !isName(publisher)))
    throw new UsageError(
      `--publisher is for verify, and takes a name of ${MAX_NAME_CHARACTERS} characters or fewer, without control, bidirectional or invisible ones`,
    );
  const [services, origins] = [listed(values.services), listed(values.origins)];
  if (services.length > 0 !== (command === 'allow-services') || (origins.length && !services.length))
    throw new UsageError('--services is for allow-services, which needs it, and --origins goes with it');
  const elsewhere = origins.find((origin) => !isWebOrigin(origin));
  if (elsewhere !== undefined)
    throw new UsageError(`${JSON.stringify(elsewhere)} is no origin: write it as in https://app.example, without a path`);
  return {
    clientId,
    yes: values.yes,
    overlapHours: Number(hours ?? OVERLAP_HOURS),
    publisher: publisher ?? '',
    services,
    origins,
    scopes: adminScopesOf(values, command),
  };
}

/** @throws UsageError for what is none of the admin API's. */
function adminScopesOf(values: Values, command: string): AdminScope[] {
  const asked = listed(values.scopes);
  if (asked.length > 0 !== (command === 'allow-admin')) throw new UsageError('--scopes is for allow-admin, which needs it');
  const strange = asked.find((scope) => !(ADMIN_SCOPES as string[]).includes(scope));
  if (strange !== undefined) throw new UsageError(`there is no scope ${JSON.stringify(strange)}: there is ${ADMIN_SCOPES.join(', ')}`);
  return ADMIN_SCOPES.filter((scope) => asked.includes(scope));
}

function listed(values = ''): string[] {
  const words = values.split(',').map((value) => value.trim());
  return [...new Set(words.filter(Boolean))];
}

function isName(name: string): boolean {
  return !isBlank(name) && [...name].length <= MAX_NAME_CHARACTERS && isStorable(name) && !isDeceptive(name);
}
