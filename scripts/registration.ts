import { parseArgs } from 'node:util';
import { DECEPTIVE, MAX_NAME_CHARACTERS } from '../src/clients/display-name.ts';
import {
  createInitialAccessToken,
  knownScopes,
  listInitialAccessTokens,
  revokeInitialAccessToken,
  SELF_SERVICE_GRANTS,
} from '../src/clients/initial-access-tokens.ts';
import { HOUR } from '../src/platform/clock.ts';
import { type Database, isStorable } from '../src/platform/database.ts';
import { randomSecret } from '../src/platform/secrets.ts';
import { confirmed, moment, runCommand, table, UsageError, withDatabase } from './command.ts';

const HELP = `Usage: node scripts/registration.ts token create --name NAME [--clients NUMBER] [--expire-in HOURS]
                                          [--grant-types TYPE,...] [--scopes SCOPE,...]
       node scripts/registration.ts token list
       node scripts/registration.ts token revoke ID [--yes]

  token create   makes an initial access token and shows it, this once: with REGISTRATION=token, whoever sends it as a bearer token
                 registers clients (RFC 7591 section 3)
  token list     shows those that have not expired: how many clients each made of how many it may, and what those may use
  token revoke   ends one at once; the clients that it made stay (scripts/client.ts ends those)

  --name NAME            whom or what it is for, in your words
  --clients NUMBER       how many clients it makes, 1 to 10000: 1 unless given
  --expire-in HOURS      how long it can be used, up to a year: 24 unless given
  --grant-types TYPE,... what its clients may use at most, of ${SELF_SERVICE_GRANTS.slice(0, 3).join(', ')},
                         ${SELF_SERVICE_GRANTS[3]}: all of them unless given
  --scopes SCOPE,...     scopes that its clients may ask for at most: all that there are unless given
  --yes                  does not ask first
  --help                 shows this

Every node follows at once, without a restart.
`;

const YEAR_HOURS = 365 * 24;
const MAX_CLIENTS = 10_000;

await runCommand('registration', HELP, async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean' },
      yes: { type: 'boolean' },
      name: { type: 'string' },
      clients: { type: 'string' },
      'expire-in': { type: 'string' },
      'grant-types': { type: 'string' },
      scopes: { type: 'string' },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const [subject, command, id, ...more] = positionals;
  const { yes, name, ...others } = values;
  if (subject !== 'token' || more.length) throw new UsageError('say what to do: token create, token list or token revoke');
  if (command !== 'create' && (name !== undefined || Object.keys(others).length))
    throw new UsageError('--name and what goes with it are for token create');
  if (command === 'create' && id === undefined) return create(asked({ name, ...others }));
  if (command === 'list' && id === undefined) return withDatabase(list);
  if (command === 'revoke' && id !== undefined) return revoke(id, yes);
  throw new UsageError('say what to do: token create, token list or token revoke and an id');
});

type Asked = { name: string; maxClients: number; lifeSeconds: number; grantTypes: string[]; scopes: string[] };

/** @throws UsageError for what makes no sense. */
function asked(values: { [option: string]: string | boolean | undefined }): Asked {
  const name = text(values['name']).trim();
  if (!name || [...name].length > MAX_NAME_CHARACTERS || !isStorable(name) || DECEPTIVE.test(name))
    throw new UsageError(`--name takes ${MAX_NAME_CHARACTERS} characters or fewer, without control or bidirectional ones`);
  const clients = text(values['clients'], '1');
  if (!/^[1-9]\d{0,4}$/.test(clients) || Number(clients) > MAX_CLIENTS)
    throw new UsageError(`--clients takes a whole number from 1 to ${MAX_CLIENTS}`);
  const hours = text(values['expire-in'], '24');
  if (!/^\d+(\.\d+)?$/.test(hours) || !(Number(hours) > 0) || Number(hours) > YEAR_HOURS)
    throw new UsageError(`--expire-in takes a number of hours, up to ${YEAR_HOURS}`);
  const [grantTypes, scopes] = [listed('grant-types', values['grant-types']), listed('scopes', values['scopes'])];
  const strange = grantTypes.find((type) => !SELF_SERVICE_GRANTS.includes(type));
  if (strange !== undefined)
    throw new UsageError(`no client registers itself with the grant type ${JSON.stringify(strange)}: ${SELF_SERVICE_GRANTS.join(', ')}`);
  return { name, maxClients: Number(clients), lifeSeconds: Number(hours) * HOUR, grantTypes, scopes };
}

function text(value: string | boolean | undefined, otherwise = ''): string {
  return typeof value === 'string' ? value : otherwise;
}

/** @throws UsageError for an option that was given and says nothing: it would be taken for no limit. */
function listed(option: string, value: string | boolean | undefined): string[] {
  if (value === undefined) return [];
  const words = text(value)
    .split(/[\s,]+/)
    .filter(Boolean);
  if (!words.length) throw new UsageError(`--${option} says nothing: leave it out for all that there are`);
  return [...new Set(words)];
}

function create(token: Asked): Promise<number> {
  return withDatabase(async (database) => {
    const known = await knownScopes(database);
    const strange = token.scopes.filter((scope) => !known.includes(scope));
    if (strange.length) throw new Error(`there is no scope ${JSON.stringify(strange.join(' '))}: there is ${known.join(', ')}`);
    const secret = randomSecret();
    const [made] = await database.change<{ id: string; expiresAt: Date }>(createInitialAccessToken(secret, token));
    const { id, expiresAt } = made as { id: string; expiresAt: Date };
    const clients = token.maxClients === 1 ? '1 client' : `${token.maxClients} clients`;
    console.log(
      `${secret}\n\nThis is shown once. It registers ${clients} until ${moment(expiresAt)}. To end it before: token revoke ${id}`,
    );
    return 0;
  });
}

async function list(database: Database): Promise<number> {
  const rows = (await listInitialAccessTokens(database)).map(({ id, name, clients, maxClients, grantTypes, scopes, expiresAt }) => [
    id,
    JSON.stringify(name),
    `${clients} of ${maxClients}`,
    grantTypes.join() || 'all',
    scopes.join() || 'all',
    moment(expiresAt),
  ]);
  console.log(table([['ID', 'NAME', 'CLIENTS', 'GRANT TYPES', 'SCOPES', 'UNTIL'], ...rows]));
  return 0;
}

async function revoke(id: string, yes: boolean | undefined): Promise<number> {
  if (!isStorable(id)) throw new UsageError('an id is as token list shows it');
  if (!(await confirmed(`End the initial access token ${id}? The clients that it made stay.`, yes))) return 1;
  return withDatabase(async (database) => {
    const [known] = await database.change(revokeInitialAccessToken(id));
    console.log(known ? `${id} has ended` : `there is no initial access token ${id}`);
    return known ? 0 : 1;
  });
}
