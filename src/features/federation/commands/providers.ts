import { setTimeout as sleep } from 'node:timers/promises';
import { type Call, type Command, DONE, REFUSED } from '../../../command-line/command.ts';
import { keyRingInUse, withDatabase } from '../../../command-line/operator.ts';
import { confirmed, moment, table } from '../../../command-line/terminal.ts';
import { type Config, readConfig } from '../../../platform/config.ts';
import type { Database } from '../../../platform/database.ts';
import { readKeyUse } from '../../../platform/key-use.ts';
import { createLog } from '../../../platform/log.ts';
import type { KeyRing } from '../../../platform/secrets.ts';
import {
  dependents,
  disableProvider,
  enableProvider,
  type KnownProvider,
  knownProvider,
  listKnownProviders,
  newPrivateKey,
  publicKeyOf,
  removeProvider,
  replaceCredentials,
  replaceServices,
  takenScopes,
  unlinkEverybody,
  untold,
} from '../administration.ts';
import { inspect } from '../inspection.ts';
import { PRESETS } from '../presets.ts';
import { callbackOf, type Service, saveProvider, scopeOf } from '../providers.ts';
import { keepProvidersTold } from '../revocations.ts';
import { ADD_FLAGS, type Options, placeOf, providerFrom, SERVICE_FLAGS, servicesFrom, tellUnlinked } from './settings.ts';

/** Owns the commands about upstream providers. */

/** The server revokes a removed provider's tokens there. The command waits until this long has passed without a revocation. */
const QUIET_MS = 8_000;

type Asked = { id: string; options: Options & { now?: boolean }; yes: boolean; config: Config; keyRing: KeyRing; database: Database };

const PROVIDERS = { noun: 'providers', operands: ['ID'] } as const;

export const PROVIDER_COMMANDS: Command[] = [
  {
    noun: 'providers',
    verb: 'list',
    summary: 'Show the upstream providers, and what apps can ask for at each',
    run: () => withDatabase(list),
  },
  {
    noun: 'providers',
    verb: 'presets',
    summary: 'Show the providers whose settings are known, and the redirect URI to register at each',
    withoutDatabase: true,
    run: async () => presets(readConfig()),
  },
  {
    ...PROVIDERS,
    verb: 'add',
    summary: 'Add a provider, or replace the settings of one. ID is short, and part of addresses and scopes',
    flags: ADD_FLAGS,
    asks: true,
    notes:
      '  The command needs --client-id, and one of --preset, --issuer and --settings. It asks only where there is a provider of this ID.',
    run: onProvider(add),
  },
  {
    ...PROVIDERS,
    verb: 'services',
    summary: 'Set what apps can ask for there: each service is a scope ID:NAME here, and some scopes of the provider there',
    flags: SERVICE_FLAGS,
    run: onProvider(services),
  },
  {
    ...PROVIDERS,
    verb: 'check',
    summary: 'Ask the provider, and show what is found, what is wrong and what would be right',
    run: onProvider(check),
  },
  {
    ...PROVIDERS,
    verb: 'new-key',
    summary: 'Make another private key for a provider that knows this server by one (private_key_jwt), and show the public half',
    asks: true,
    run: onProvider(newKey),
  },
  {
    ...PROVIDERS,
    verb: 'disable',
    summary: 'Keep users and apps from a provider until it is enabled again; links stay',
    asks: true,
    run: onProvider(disable),
  },
  { ...PROVIDERS, verb: 'enable', summary: 'Let users and apps use a disabled provider again', run: onProvider(enable) },
  {
    ...PROVIDERS,
    verb: 'remove',
    summary: 'Delete a provider with every link to it, and tell it to revoke the tokens that it gave',
    flags: { now: { type: 'boolean', help: 'Do not wait for its answer.' } },
    asks: true,
    run: onProvider(remove),
  },
];

function onProvider(work: (asked: Asked) => Promise<number>): Command['run'] {
  return ({ operands: [id = ''], flags, yes }: Call) => {
    const config = readConfig();
    return withDatabase(async (database) => {
      const keyRing = keyRingInUse(config, await readKeyUse(database));
      return work({ id, options: flags as Asked['options'], yes, config, keyRing, database });
    });
  };
}

async function list(database: Database): Promise<number> {
  const providers = await listKnownProviders(database);
  console.log(
    table([
      ['ID', 'NAME', 'AT', 'SIGN-IN', 'LINKED', 'DISABLED'],
      ...providers.map(({ id, name, settings, linked, disabledAt }) => [
        id,
        JSON.stringify(name),
        placeOf(settings),
        settings.signIn ? 'yes' : 'no',
        String(linked),
        moment(disabledAt),
      ]),
    ]),
  );
  const offered = providers.flatMap((provider) =>
    provider.services.map((service) => [scopeOf(provider, service), service.upstreamScopes.join(' '), service.title.ko, service.title.en]),
  );
  if (offered.length) console.log(`\n${table([['SCOPE', 'SCOPES THERE', '한국어', 'ENGLISH'], ...offered])}`);
  return DONE;
}

function presets({ issuer }: Config): number {
  const rows = Object.entries(PRESETS).map(([id, { name }]) => [id, name, callbackOf(issuer, id)]);
  console.log(
    `${table([['PRESET', 'NAME', 'REDIRECT URI, FOR A PROVIDER ADDED BY THAT ID'], ...rows])}\n\nOthers take --issuer or --settings.`,
  );
  return DONE;
}

async function add({ id, options, yes, config, keyRing, database }: Asked): Promise<number> {
  const known = await knownProvider(database, id);
  const provider = providerFrom(id, options, known);
  await assertFree(database, provider);
  if (known && !(await confirmed(`There is a provider ${id}; ${people(known.linked)} linked. Change its settings?`, yes))) return REFUSED;
  const madeKey = provider.settings['clientAuthMethod'] === 'private_key_jwt' && provider.credentials === undefined && !known;
  await saveProvider(database, keyRing, madeKey ? { ...provider, credentials: await newPrivateKey() } : provider);
  console.log(`${id} is there. Register this redirect URI with it: ${callbackOf(config.issuer, id)}`);
  const saved = (await knownProvider(database, id)) as KnownProvider;
  sayKey(saved, keyRing, config);
  return DONE;
}

async function services({ id, options, database }: Asked): Promise<number> {
  const found = servicesFrom(options);
  if (!(await knownProvider(database, id))) return unknown(id);
  await assertFree(database, { id, services: found });
  await replaceServices(database, id, found);
  const offered = found.map((service) => scopeOf({ id }, service)).join(' ');
  console.log(
    offered
      ? `apps can ask for: ${offered}\n\nAn app that may: munjigi clients allow-services CLIENT_ID --services ${id}`
      : `apps can ask for nothing at ${id}`,
  );
  return DONE;
}

async function check({ id, config, keyRing, database }: Asked): Promise<number> {
  const known = await knownProvider(database, id);
  if (!known) return unknown(id);
  const findings = await inspect(keyRing, known, callbackOf(config.issuer, id));
  // Quoted where it is somebody else's text: a terminal obeys some characters.
  console.log(table(findings.map(({ kind, says }) => [kind, JSON.stringify(says).slice(1, -1)])));
  return findings.some(({ kind }) => kind === 'wrong') ? REFUSED : DONE;
}

async function assertFree(database: Database, provider: { id: string; services: Service[] }): Promise<void> {
  const [taken] = await takenScopes(database, provider);
  if (taken) throw new Error(`${taken.name} is a scope of ${taken.api} already: give the service another name, or the provider another id`);
}

async function newKey({ id, yes, config, keyRing, database }: Asked): Promise<number> {
  const known = await knownProvider(database, id);
  if (!known) return unknown(id);
  if (known.settings.clientAuthMethod !== 'private_key_jwt')
    throw new Error(`${id} does not know us by a key, but by ${known.settings.clientAuthMethod}`);
  if (!(await confirmed(`Make another key for ${id}? The one before is used no longer, at once.`, yes))) return REFUSED;
  await database.change(replaceCredentials(keyRing, id, await newPrivateKey()));
  sayKey((await knownProvider(database, id)) as KnownProvider, keyRing, config);
  return DONE;
}

function sayKey(provider: KnownProvider, keyRing: KeyRing, { issuer }: Config): void {
  const key = publicKeyOf(keyRing, provider);
  if (!key) return;
  console.log(
    `${JSON.stringify(key, null, 2)}\n\nIt is what ${provider.id} must know of us. It is also at ${issuer}/upstream/${provider.id}/jwks`,
  );
}

async function disable({ id, yes, database }: Asked): Promise<number> {
  if (!(await confirmed(`Keep people and apps from ${id}?`, yes))) return REFUSED;
  const [found] = await database.change(disableProvider(id));
  if (!found) return unknown(id);
  console.log(`${id} is disabled; links to it stay`);
  return DONE;
}

async function enable({ id, database }: Asked): Promise<number> {
  const [found] = await database.change(enableProvider(id));
  if (!found) return unknown(id);
  console.log(`${id} is enabled`);
  return DONE;
}

async function remove({ id, options, yes, keyRing, database }: Asked): Promise<number> {
  const known = await knownProvider(database, id);
  if (!known) return unknown(id);
  const alone = await dependents(database, id);
  const lost = alone ? `, of whom ${alone} cannot sign in without it` : '';
  const links = known.linked === 1 ? '1 link to it has' : `${known.linked} links to it have`;
  if (!(await confirmed(`Remove ${id}, to which ${people(known.linked)} linked${lost}, and all that it gave for them?`, yes)))
    return REFUSED;
  await database.transaction(unlinkEverybody(id, tellUnlinked(id)));
  const left = options.now ? 0 : await tell(id, database, keyRing);
  if (left) {
    console.log(`${links} ended${lost}. ${id} did not answer, and has still to be told of ${left}. It is disabled, and the server goes on telling
it for a day: remove it again then, or with --now`);
    return REFUSED;
  }
  await database.transaction(removeProvider(id));
  console.log(`${id} is removed, and ${links} ended${lost}`);
  return DONE;
}

/** Tells a provider of the tokens that it gave, as the server does. @returns of how many it could not be told. */
async function tell(id: string, database: Database, keyRing: KeyRing): Promise<number> {
  const telling = keepProvidersTold({ database, keyRing, log: createLog('silent'), everyMs: 250 });
  let left = await untold(database, id);
  for (let since = Date.now(); left && Date.now() - since < QUIET_MS; ) {
    await sleep(100);
    const now = await untold(database, id);
    if (now < left) [left, since] = [now, Date.now()];
  }
  await telling.stop();
  return left;
}

function people(number: number): string {
  return number === 1 ? '1 person is' : `${number} people are`;
}

function unknown(id: string): never {
  throw new Error(`there is no provider ${id}`);
}
