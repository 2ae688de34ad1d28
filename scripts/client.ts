import { parseArgs } from 'node:util';
import { DECEPTIVE, MAX_NAME_CHARACTERS } from '../src/clients/display-name.ts';
import {
  allowServices,
  listClients,
  restoreClient,
  rotateSecret,
  suspendClient,
  unverifyClient,
  verifyClient,
} from '../src/clients/store.ts';
import { listProviders } from '../src/federation/providers.ts';
import { HOUR } from '../src/platform/clock.ts';
import { type Database, isStorable } from '../src/platform/database.ts';
import { randomSecret } from '../src/platform/secrets.ts';
import { endClient } from '../src/protocol-store/grants.ts';
import { confirmed, moment, runCommand, table, UsageError, withDatabase } from './command.ts';

const HELP = `Usage: node scripts/client.ts list
       node scripts/client.ts suspend CLIENT_ID [--yes]
       node scripts/client.ts restore CLIENT_ID
       node scripts/client.ts new-secret CLIENT_ID [--expire-old-in HOURS] [--yes]
       node scripts/client.ts verify CLIENT_ID --publisher NAME [--yes]
       node scripts/client.ts unverify CLIENT_ID [--yes]
       node scripts/client.ts allow-services CLIENT_ID --services PROVIDER,... [--origins ORIGIN,...] [--yes]
       node scripts/client.ts disallow-services CLIENT_ID [--yes]

  list           shows all clients: how they authenticate, who was verified to publish them, at which upstream providers they may act for
                 people, how many live secrets they have, and since when they are suspended
  suspend        makes a client as good as unknown, and ends its codes, tokens and grants at once; JWT access tokens, which nobody asks
                 the server about, open their API until they expire
  restore        lets a suspended client in again, with the secrets it had; what was ended stays so
  new-secret     makes a secret and shows it, this once
  verify         tells people on the consent page that NAME publishes the client; an app on a device is then asked about once, and not
                 each time. It holds until the client changes what it says of itself
  unverify       takes that back
  allow-services lets a client ask people to act for them at these upstream providers, and at no others, and exchange its tokens for
                 theirs there (RFC 8693)
  disallow-services  takes that back; what it got at a provider until then is valid there until it expires

  --services PROVIDER,...  ids of upstream providers, as in scripts/provider.ts list
  --origins ORIGIN,...   where a web app of yours is, such as https://app.example: its pages get those tokens with the person's session here
                         alone, so let it be an app that is as trustworthy as this server
  --publisher NAME       who you found behind the client, by something better than its own word
  --expire-old-in HOURS  how long the secrets it has stay valid beside the new one: 24 unless given; 0 ends them at once
  --yes          does not ask first (all but list and restore ask; new-secret does when it ends the others at once)
  --help         shows this

Every node follows within a second, without a restart.
`;

const OVERLAP_HOURS = '24';

type Asked = {
  clientId: string;
  yes: boolean | undefined;
  overlapHours: number;
  publisher: string;
  services: string[];
  origins: string[];
};

const commands: Record<string, (asked: Asked) => Promise<number>> = {
  suspend,
  restore,
  'new-secret': newSecret,
  verify,
  unverify,
  'allow-services': allow,
  'disallow-services': allow,
};

await runCommand('client', HELP, async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean' },
      yes: { type: 'boolean' },
      'expire-old-in': { type: 'string' },
      publisher: { type: 'string' },
      services: { type: 'string' },
      origins: { type: 'string' },
    },
  });
  const [command, clientId, ...more] = positionals;
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (command === 'list' && !clientId) return withDatabase(list);
  const act = commands[command ?? ''];
  if (!act || !clientId || more.length) throw new UsageError('say what to do: list, or one of the others and a client_id');
  const hours = values['expire-old-in'];
  if (hours !== undefined && (command !== 'new-secret' || !/^\d+(\.\d+)?$/.test(hours)))
    throw new UsageError('--expire-old-in is for new-secret, and takes a number of hours');
  const publisher = values.publisher?.trim();
  if ((publisher !== undefined) !== (command === 'verify') || (publisher !== undefined && !isName(publisher)))
    throw new UsageError(
      `--publisher is for verify, and takes a name of ${MAX_NAME_CHARACTERS} characters or fewer, without control or bidirectional ones`,
    );
  const [services, origins] = [listed(values.services), listed(values.origins)];
  if (services.length > 0 !== (command === 'allow-services') || (origins.length && !services.length))
    throw new UsageError('--services is for allow-services, which needs it, and --origins goes with it');
  const elsewhere = origins.find((origin) => !isOrigin(origin));
  if (elsewhere !== undefined)
    throw new UsageError(`${JSON.stringify(elsewhere)} is no origin: write it as in https://app.example, without a path`);
  return act({ clientId, yes: values.yes, overlapHours: Number(hours ?? OVERLAP_HOURS), publisher: publisher ?? '', services, origins });
});

function listed(values = ''): string[] {
  const words = values.split(',').map((value) => value.trim());
  return [...new Set(words.filter(Boolean))];
}

function isOrigin(value: string): boolean {
  const url = URL.parse(value);
  return (
    url?.origin === value && (url.protocol === 'https:' || (url.protocol === 'http:' && /^(localhost|127\.0\.0\.1)$/.test(url.hostname)))
  );
}

function isName(name: string): boolean {
  return name !== '' && [...name].length <= MAX_NAME_CHARACTERS && isStorable(name) && !DECEPTIVE.test(name);
}

async function list(database: Database): Promise<number> {
  const rows = (await listClients(database)).map(
    ({ id, name, registration, method, publisher, services, secrets, created_at, suspended_at }) => [
      id,
      // Quoted: a name is somebody else's text, and a terminal obeys some characters.
      JSON.stringify(name ?? ''),
      registration,
      publisher ? JSON.stringify(publisher) : '-',
      method,
      services.join() || '-',
      String(secrets),
      moment(created_at),
      moment(suspended_at),
    ],
  );
  console.log(
    table([['CLIENT_ID', 'NAME', 'REGISTERED BY', 'PUBLISHER', 'AUTHENTICATES BY', 'ACTS AT', 'SECRETS', 'SINCE', 'SUSPENDED'], ...rows]),
  );
  return 0;
}

async function suspend({ clientId, yes }: Asked): Promise<number> {
  if (!(await confirmed(`Suspend ${clientId} and end everything that it holds?`, yes))) return 1;
  return withDatabase(async (database) => {
    const [known] = await database.change(suspendClient(clientId));
    if (!known) return unknown(clientId);
    // Only now: what is issued to a client that was not suspended yet is there to be ended.
    const ended = await endClient(database, clientId);
    console.log(`${clientId} is suspended, and all that it held has ended (${ended} codes, tokens and grants)`);
    return 0;
  });
}

async function restore({ clientId }: Asked): Promise<number> {
  return withDatabase(async (database) => {
    const [known] = await database.change(restoreClient(clientId));
    if (!known) return unknown(clientId);
    console.log(`${clientId} is let in again`);
    return 0;
  });
}

async function verify({ clientId, yes, publisher }: Asked): Promise<number> {
  if (!(await confirmed(`Tell people that ${JSON.stringify(publisher)} publishes ${clientId}?`, yes))) return 1;
  return withDatabase(async (database) => {
    const [known] = await database.change(verifyClient(clientId, publisher));
    if (!known) return unknown(clientId);
    console.log(`${clientId} is shown as published by ${publisher}, until it changes what it says of itself`);
    return 0;
  });
}

async function unverify({ clientId, yes }: Asked): Promise<number> {
  if (!(await confirmed(`Show ${clientId} as not verified?`, yes))) return 1;
  return withDatabase(async (database) => {
    const [known] = await database.change(unverifyClient(clientId));
    if (!known) return unknown(clientId);
    console.log(`${clientId} is not verified`);
    return 0;
  });
}

async function allow({ clientId, yes, services, origins }: Asked): Promise<number> {
  return withDatabase(async (database) => {
    const known = (await listProviders(database)).map(({ id }) => id);
    const strange = services.filter((id) => !known.includes(id));
    if (strange.length) throw new Error(`there is no provider ${strange.join(', ')}: there is ${known.join(', ') || 'none'}`);
    const from = origins.length ? `, and its pages at ${origins.join(', ')} do so with the person's session alone` : '';
    const question = services.length
      ? `Let ${clientId} act for people at ${services.join(', ')}${from}?`
      : `Let ${clientId} act for nobody anywhere?`;
    if (!(await confirmed(question, yes))) return 1;
    const [found] = await database.change(allowServices(clientId, { services, origins }));
    if (!found) return unknown(clientId);
    console.log(
      services.length
        ? `${clientId} may act for people at ${services.join(', ')}${from}, where they allow it`
        : `${clientId} may act for nobody`,
    );
    return 0;
  });
}

async function newSecret({ clientId, yes, overlapHours }: Asked): Promise<number> {
  if (overlapHours === 0 && !(await confirmed(`End every secret that ${clientId} has, at once?`, yes))) return 1;
  return withDatabase(async (database) => {
    const secret = randomSecret();
    const [made] = await database.change(rotateSecret(clientId, secret, overlapHours * HOUR));
    if (!made) {
      console.log(`there is no client ${clientId} that authenticates by a secret`);
      return 1;
    }
    console.log(
      `${secret}\n\nThis is shown once. Older secrets of ${clientId} ${overlapHours ? `end within ${overlapHours} hours` : 'have ended'}.`,
    );
    return 0;
  });
}

function unknown(clientId: string): number {
  console.log(`there is no client ${clientId}`);
  return 1;
}
