import { parseArgs } from 'node:util';
import type { z } from 'zod';
import { deleteClient } from '../src/features/admin/acts/clients.ts';
import { createInitialAccessToken, endInitialAccessToken } from '../src/features/registration/admin/acts.ts';
import { clientsRegisteredWith, knownScopes, listInitialAccessTokens } from '../src/features/registration/initial-access-tokens.ts';
import { SELF_SERVICE_GRANTS } from '../src/oauth/clients/metadata/registration-limits.ts';
import { HOUR, MINUTE } from '../src/platform/clock.ts';
import { type Database, isStorable } from '../src/platform/database.ts';
import { confirmed, moment, performAsOperator, resultOf, runCommand, table, UsageError, withDatabase } from './command.ts';
import { addIssuer, assertName, listIssuers, removeIssuer } from './registration-issuers.ts';

const HELP = `Usage: node scripts/registration.ts token create --name NAME [--clients NUMBER] [--expire-in HOURS]
                                          [--grant-types TYPE,...] [--scopes SCOPE,...]
       node scripts/registration.ts token list
       node scripts/registration.ts token revoke ID [--with-clients] [--yes]
       node scripts/registration.ts issuer add ISSUER --name NAME --jwks FILE [--yes]
       node scripts/registration.ts issuer list
       node scripts/registration.ts issuer remove ISSUER [--yes]

  token create   makes an initial access token and shows it, this once: with REGISTRATION=token, whoever sends it as a bearer token
                 registers clients (RFC 7591 section 3)
  token list     shows those that have not expired: how many clients each made of how many it may, and what those may use
  token revoke   ends one at once; the clients that it made stay, unless you say --with-clients: then they are deleted with all that they
                 hold, also those of a token that has ended before
  issuer add     believes what ISSUER says of software in statements that it signs (RFC 7591 section 2.3), or puts other keys in the
                 place of those that it is known by. What a statement says counts over what a registration says; it verifies no publisher
  issuer list    shows who is believed
  issuer remove  believes one no longer; the clients that came with its statements stay

  --name NAME            whom or what a token is for, or who an issuer is, in your words
  --clients NUMBER       how many clients it makes, 1 to 10000: 1 unless given
  --expire-in HOURS      how long it can be used, up to a year: 24 unless given
  --grant-types TYPE,... what its clients may use at most, of ${SELF_SERVICE_GRANTS.slice(0, 3).join(', ')},
                         ${SELF_SERVICE_GRANTS[3]}: all of them unless given
  --scopes SCOPE,...     scopes that its clients may ask for at most: all that there are unless given
  --with-clients         deletes the clients that the token made, too
  --jwks FILE            the issuer's public keys, as a JSON Web Key Set; - for stdin. Nobody is asked for them
  --yes                  does not ask first
  --help                 shows this

Every node follows at once, without a restart.
`;

const YEAR_HOURS = 365 * 24;
const MAX_CLIENTS = 10_000;

const SAY =
  'say what to do: token create, token list, token revoke and an id, issuer add and an issuer, issuer list, issuer remove and an issuer';

type Options = { [option: string]: string | boolean | undefined };
type Command = { named: boolean; options: string[]; run(values: Options, id: string): Promise<number> };

const commands: Record<string, Command> = {
  'token create': {
    named: false,
    options: ['name', 'clients', 'expire-in', 'grant-types', 'scopes'],
    run: (values) => create(asked(values)),
  },
  'token list': { named: false, options: [], run: () => withDatabase(list) },
  'token revoke': { named: true, options: ['with-clients'], run: (values, id) => revoke(id, values) },
  'issuer add': {
    named: true,
    options: ['name', 'jwks'],
    run: (values, issuer) => addIssuer(issuer, nameIn(values), text(values['jwks']) || undefined, values['yes'] === true),
  },
  'issuer list': { named: false, options: [], run: () => withDatabase(listIssuers) },
  'issuer remove': { named: true, options: [], run: (values, issuer) => removeIssuer(issuer, values['yes'] === true) },
};

await runCommand('registration', HELP, async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean' },
      yes: { type: 'boolean' },
      name: { type: 'string' },
      jwks: { type: 'string' },
      'with-clients': { type: 'boolean' },
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
  const act = more.length ? undefined : commands[`${subject} ${command}`];
  if (!act || (id !== undefined) !== act.named) throw new UsageError(SAY);
  const strange = Object.keys(values).find((option) => option !== 'yes' && !act.options.includes(option));
  if (strange !== undefined)
    throw new UsageError(`--${strange} is not for ${subject} ${command}: --name and what goes with it are for token create and issuer add`);
  return act.run(values, id as string);
});
type Asked = z.infer<typeof createInitialAccessToken.input>;

/** @throws UsageError for what makes no sense. */
function asked(values: Options): Asked {
  const name = nameIn(values);
  const clients = text(values['clients'], '1');
  if (!/^[1-9]\d{0,4}$/.test(clients) || Number(clients) > MAX_CLIENTS)
    throw new UsageError(`--clients takes a whole number from 1 to ${MAX_CLIENTS}`);
  const hours = text(values['expire-in'], '24');
  if (!/^\d+(\.\d+)?$/.test(hours) || !(Number(hours) * HOUR >= MINUTE) || Number(hours) > YEAR_HOURS)
    throw new UsageError(`--expire-in takes a number of hours, from a minute up to ${YEAR_HOURS} hours`);
  const [grant_types, scopes] = [listed('grant-types', values['grant-types']), listed('scopes', values['scopes'])];
  const strange = grant_types.find((type) => !SELF_SERVICE_GRANTS.includes(type));
  if (strange !== undefined)
    throw new UsageError(`no client registers itself with the grant type ${JSON.stringify(strange)}: ${SELF_SERVICE_GRANTS.join(', ')}`);
  return { name, max_clients: Number(clients), expires_in_seconds: Math.round(Number(hours) * HOUR), grant_types, scopes };
}

function nameIn(values: Options): string {
  const name = text(values['name']).trim();
  assertName(name);
  return name;
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
    const made = resultOf(await performAsOperator(database, createInitialAccessToken, { input: token }), 'token create');
    if (!made) return 1;
    const clients = token.max_clients === 1 ? '1 client' : `${token.max_clients} clients`;
    console.log(
      `${made.token}\n\nThis is shown once. It registers ${clients} until ${moment(new Date(made.expires_at))}. To end it before: token revoke ${made.id}`,
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

/** The token first: then it makes no client more, while those that it made are ended. Begun again, it goes on where it was stopped. */
async function revoke(id: string, { yes, 'with-clients': all }: Options): Promise<number> {
  if (!isStorable(id)) throw new UsageError('an id is as token list shows it');
  return withDatabase(async (database) => {
    const clients = all ? await clientsRegisteredWith(database, id) : [];
    const fate = all
      ? `and delete ${clientsOf(clients.length)}, with all that people gave them, for good?`
      : 'The clients that it made stay.';
    const question = `End the initial access token ${id}${all ? ' ' : '? '}${fate}`;
    if (!(await confirmed(question, yes === true))) return 1;
    const known = resultOf(await performAsOperator(database, endInitialAccessToken, { target: id }), id);
    // One that came after the question was as little meant to stay.
    const made = all ? await clientsRegisteredWith(database, id) : [];
    for (const target of made) resultOf(await performAsOperator(database, deleteClient, { target }), target);
    if (!known && !made.length) console.log(`there is no initial access token ${id}`);
    else console.log(`${id} has ended${all ? `, and ${clientsOf(made.length)} with it` : ''}`);
    return known || made.length ? 0 : 1;
  });
}

function clientsOf(number: number): string {
  return number === 1 ? 'the 1 client that it made' : `the ${number} clients that it made`;
}
