import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
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
} from '../src/features/federation/administration.ts';
import { inspect } from '../src/features/federation/inspection.ts';
import { PRESETS } from '../src/features/federation/presets.ts';
import { callbackOf, type Service, saveProvider, scopeOf } from '../src/features/federation/providers.ts';
import { keepProvidersTold } from '../src/features/federation/revocations.ts';
import { type Config, readConfig } from '../src/platform/config.ts';
import type { Database } from '../src/platform/database.ts';
import { readKeyUse } from '../src/platform/key-use.ts';
import { createLog } from '../src/platform/log.ts';
import type { KeyRing } from '../src/platform/secrets.ts';
import { confirmed, keyRingInUse, moment, runCommand, table, UsageError, withDatabase } from './command.ts';
import { OPTIONS, type Options, placeOf, providerFrom, servicesFrom, tellUnlinked } from './provider-options.ts';

const HELP = `Usage: node scripts/provider.ts list | presets
       node scripts/provider.ts add ID --client-id CLIENT_ID (--preset NAME | --issuer URL | --settings FILE) [--secret-file FILE] […]
       node scripts/provider.ts services ID (--service SERVICE … | --services FILE | --none)
       node scripts/provider.ts check ID
       node scripts/provider.ts new-key ID [--yes]
       node scripts/provider.ts disable ID [--yes] | enable ID | remove ID [--now] [--yes]

  list           shows the upstream providers, by which people sign in and at which apps act for them, with what apps can ask for there
  presets        shows the providers of which the settings are known, and the redirect URI to register at each
  add            adds a provider, or puts other settings in the place of those that it has; ID is short, and part of addresses and scopes
  services       says what apps can ask to do there: each is a scope ID:NAME here, and some scopes of the provider's there
  check          asks the provider, and says what was found, what is wrong, and what would be right
  new-key        makes another private key for a provider that knows us by one (private_key_jwt), and shows the public half
  disable        keeps people and apps from it until it is enabled again; links stay
  enable         takes that back
  remove         ends it with every link to it, and tells it of the tokens that it gave; with --now, without waiting for its answer

  --preset NAME          what is known of a provider: ${Object.keys(PRESETS).join(', ')}
  --issuer URL           an OpenID Connect provider; the rest is discovered
  --settings FILE        JSON of features/federation/providers.ts, for a provider without discovery ("endpoints") or with ways of its own; it counts
                         over the preset's, and the options below count over it
  --name NAME            what people read
  --client-id CLIENT_ID  who we are there
  --secret-file FILE     where our secret there is, - for stdin; kept encrypted. For Apple, the .p8 file of the key
  --auth METHOD          client_secret_basic (unless said otherwise), client_secret_post, private_key_jwt, apple or none
  --team-id, --key-id    Apple's names of you and of the key
  --scopes 'A B'         what is asked for at sign-in; 'openid email profile' with --issuer
  --private-network      it may be in your own network, and speak http there
  --no-sign-in           people cannot sign in by it, but can link it when they are signed in
  --service SERVICE      'NAME=SCOPE SCOPE; KOREAN SENTENCE; ENGLISH SENTENCE', as often as there are services, such as
                         'calendar.read=https://www.googleapis.com/auth/calendar.readonly; 내 일정 보기; See your calendar'
  --services FILE        the same as JSON: [{"name", "upstreamScopes": [], "title": {"ko", "en"}, "sensitive": true}]
  --none                 no services
  --yes                  does not ask first (disable, remove, new-key, and add for a provider that is there, ask)
  --help                 shows this

It reads the server's environment: DATABASE_URL, DATA_ENCRYPTION_KEYS, ISSUER. Every node follows within a second, without a restart.
`;

/** A provider that is removed is told of the tokens that it gave, until it has heard of none for so long. */
const QUIET_MS = 8_000;

type Asked = { id: string; options: Options; config: Config; keyRing: KeyRing; database: Database };

const commands: Record<string, (asked: Asked) => Promise<number>> = {
  add,
  services,
  check,
  'new-key': newKey,
  disable,
  enable,
  remove,
};

await runCommand('provider', HELP, async () => {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: OPTIONS });
  const [command = '', id, ...more] = positionals;
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const act = Object.hasOwn(commands, command) ? commands[command] : undefined;
  const alone = command === 'list' || command === 'presets';
  if (more.length || !(alone ? !id : act && id)) throw new UsageError('say what to do: list, presets, or one of the others and an id');
  if (command === 'list') return withDatabase(list);
  const config = readConfig();
  if (command === 'presets') return presets(config);
  return withDatabase(async (database) => {
    const keyRing = keyRingInUse(config, await readKeyUse(database));
    return (act as (asked: Asked) => Promise<number>)({ id: id as string, options: values, config, keyRing, database });
  });
});

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
  return 0;
}

function presets({ issuer }: Config): number {
  const rows = Object.entries(PRESETS).map(([id, { name }]) => [id, name, callbackOf(issuer, id)]);
  console.log(
    `${table([['PRESET', 'NAME', 'REDIRECT URI, FOR A PROVIDER ADDED BY THAT ID'], ...rows])}\n\nOthers take --issuer or --settings.`,
  );
  return 0;
}

async function add({ id, options, config, keyRing, database }: Asked): Promise<number> {
  const known = await knownProvider(database, id);
  const provider = providerFrom(id, options, known);
  await assertFree(database, provider);
  if (known && !(await confirmed(`There is a provider ${id}; ${people(known.linked)} linked. Change its settings?`, options.yes))) return 1;
  const madeKey = provider.settings['clientAuthMethod'] === 'private_key_jwt' && provider.credentials === undefined && !known;
  await saveProvider(database, keyRing, madeKey ? { ...provider, credentials: await newPrivateKey() } : provider);
  console.log(`${id} is there. Register this redirect URI with it: ${callbackOf(config.issuer, id)}`);
  const saved = (await knownProvider(database, id)) as KnownProvider;
  sayKey(saved, keyRing, config);
  return 0;
}

async function services({ id, options, database }: Asked): Promise<number> {
  const found = servicesFrom(options);
  if (!(await knownProvider(database, id))) return unknown(id);
  await assertFree(database, { id, services: found });
  await replaceServices(database, id, found);
  const offered = found.map((service) => scopeOf({ id }, service)).join(' ');
  console.log(
    offered
      ? `apps can ask for: ${offered}\n\nAn app that may: node scripts/client.ts allow-services CLIENT_ID --services ${id}`
      : `apps can ask for nothing at ${id}`,
  );
  return 0;
}

async function check({ id, config, keyRing, database }: Asked): Promise<number> {
  const known = await knownProvider(database, id);
  if (!known) return unknown(id);
  const findings = await inspect(keyRing, known, callbackOf(config.issuer, id));
  // Quoted where it is somebody else's text: a terminal obeys some characters.
  console.log(table(findings.map(({ kind, says }) => [kind, JSON.stringify(says).slice(1, -1)])));
  return findings.some(({ kind }) => kind === 'wrong') ? 1 : 0;
}

async function assertFree(database: Database, provider: { id: string; services: Service[] }): Promise<void> {
  const [taken] = await takenScopes(database, provider);
  if (taken) throw new Error(`${taken.name} is a scope of ${taken.api} already: give the service another name, or the provider another id`);
}

async function newKey({ id, options, config, keyRing, database }: Asked): Promise<number> {
  const known = await knownProvider(database, id);
  if (!known) return unknown(id);
  if (known.settings.clientAuthMethod !== 'private_key_jwt')
    throw new Error(`${id} does not know us by a key, but by ${known.settings.clientAuthMethod}`);
  if (!(await confirmed(`Make another key for ${id}? The one before is used no longer, at once.`, options.yes))) return 1;
  await database.change(replaceCredentials(keyRing, id, await newPrivateKey()));
  sayKey((await knownProvider(database, id)) as KnownProvider, keyRing, config);
  return 0;
}

function sayKey(provider: KnownProvider, keyRing: KeyRing, { issuer }: Config): void {
  const key = publicKeyOf(keyRing, provider);
  if (!key) return;
  console.log(
    `${JSON.stringify(key, null, 2)}\n\nIt is what ${provider.id} must know of us. It is also at ${issuer}/upstream/${provider.id}/jwks`,
  );
}

async function disable({ id, options, database }: Asked): Promise<number> {
  if (!(await confirmed(`Keep people and apps from ${id}?`, options.yes))) return 1;
  const [found] = await database.change(disableProvider(id));
  if (!found) return unknown(id);
  console.log(`${id} is disabled; links to it stay`);
  return 0;
}

async function enable({ id, database }: Asked): Promise<number> {
  const [found] = await database.change(enableProvider(id));
  if (!found) return unknown(id);
  console.log(`${id} is enabled`);
  return 0;
}

async function remove({ id, options, keyRing, database }: Asked): Promise<number> {
  const known = await knownProvider(database, id);
  if (!known) return unknown(id);
  const alone = await dependents(database, id);
  const lost = alone ? `, of whom ${alone} cannot sign in without it` : '';
  const links = known.linked === 1 ? '1 link to it has' : `${known.linked} links to it have`;
  if (!(await confirmed(`Remove ${id}, to which ${people(known.linked)} linked${lost}, and all that it gave for them?`, options.yes)))
    return 1;
  await database.transaction(unlinkEverybody(id, tellUnlinked(id)));
  const left = options.now ? 0 : await tell(id, database, keyRing);
  if (left) {
    console.log(`${links} ended${lost}. ${id} did not answer, and has still to be told of ${left}. It is disabled, and the server goes on telling
it for a day: remove it again then, or with --now`);
    return 1;
  }
  await database.transaction(removeProvider(id));
  console.log(`${id} is removed, and ${links} ended${lost}`);
  return 0;
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

function unknown(id: string): number {
  console.log(`there is no provider ${id}`);
  return 1;
}
