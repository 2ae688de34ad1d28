import { parseArgs } from 'node:util';
import { DECEPTIVE, MAX_NAME_CHARACTERS } from '../src/clients/display-name.ts';
import { listClients, restoreClient, rotateSecret, suspendClient, unverifyClient, verifyClient } from '../src/clients/store.ts';
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

  list           shows all clients: how they authenticate, who was verified to publish them, how many live secrets they have, and since
                 when they are suspended
  suspend        makes a client as good as unknown, and ends its codes, tokens and grants at once; JWT access tokens, which nobody asks
                 the server about, open their API until they expire
  restore        lets a suspended client in again, with the secrets it had; what was ended stays so
  new-secret     makes a secret and shows it, this once
  verify         tells people on the consent page that NAME publishes the client; an app on a device is then asked about once, and not
                 each time. It holds until the client changes what it says of itself
  unverify       takes that back

  --publisher NAME       who you found behind the client, by something better than its own word
  --expire-old-in HOURS  how long the secrets it has stay valid beside the new one: 24 unless given; 0 ends them at once
  --yes          does not ask first (suspend, verify and unverify ask, and new-secret that ends the others at once)
  --help         shows this

Every node follows within a second, without a restart.
`;

const OVERLAP_HOURS = '24';

type Asked = { clientId: string; yes: boolean | undefined; overlapHours: number; publisher: string };

const commands: Record<string, (asked: Asked) => Promise<number>> = { suspend, restore, 'new-secret': newSecret, verify, unverify };

await runCommand('client', HELP, async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: 'boolean' }, yes: { type: 'boolean' }, 'expire-old-in': { type: 'string' }, publisher: { type: 'string' } },
  });
  const [command, clientId, ...more] = positionals;
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (command === 'list' && !clientId) return withDatabase(list);
  const act = commands[command ?? ''];
  if (!act || !clientId || more.length)
    throw new UsageError('say what to do: list, or suspend, restore, new-secret, verify or unverify and a client_id');
  const hours = values['expire-old-in'];
  if (hours !== undefined && (command !== 'new-secret' || !/^\d+(\.\d+)?$/.test(hours)))
    throw new UsageError('--expire-old-in is for new-secret, and takes a number of hours');
  const publisher = values.publisher?.trim();
  if ((publisher !== undefined) !== (command === 'verify') || (publisher !== undefined && !isName(publisher)))
    throw new UsageError(
      `--publisher is for verify, and takes a name of ${MAX_NAME_CHARACTERS} characters or fewer, without control or bidirectional ones`,
    );
  return act({ clientId, yes: values.yes, overlapHours: Number(hours ?? OVERLAP_HOURS), publisher: publisher ?? '' });
});

function isName(name: string): boolean {
  return name !== '' && [...name].length <= MAX_NAME_CHARACTERS && isStorable(name) && !DECEPTIVE.test(name);
}

async function list(database: Database): Promise<number> {
  const rows = (await listClients(database)).map(({ id, name, registration, method, publisher, secrets, created_at, suspended_at }) => [
    id,
    // Quoted: a name is somebody else's text, and a terminal obeys some characters.
    JSON.stringify(name ?? ''),
    registration,
    publisher ? JSON.stringify(publisher) : '-',
    method,
    String(secrets),
    moment(created_at),
    moment(suspended_at),
  ]);
  console.log(table([['CLIENT_ID', 'NAME', 'REGISTERED BY', 'PUBLISHER', 'AUTHENTICATES BY', 'SECRETS', 'SINCE', 'SUSPENDED'], ...rows]));
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
