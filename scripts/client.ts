import { parseArgs } from 'node:util';
import { listClients, restoreClient, rotateSecret, suspendClient } from '../src/clients/store.ts';
import { HOUR } from '../src/platform/clock.ts';
import type { Database } from '../src/platform/database.ts';
import { randomSecret } from '../src/platform/secrets.ts';
import { endClient } from '../src/protocol-store/grants.ts';
import { confirmed, moment, runCommand, table, UsageError, withDatabase } from './command.ts';

const HELP = `Usage: node scripts/client.ts list
       node scripts/client.ts suspend CLIENT_ID [--yes]
       node scripts/client.ts restore CLIENT_ID
       node scripts/client.ts new-secret CLIENT_ID [--expire-old-in HOURS] [--yes]

  list           shows all clients: how they authenticate, how many live secrets they have, and since when they are suspended
  suspend        makes a client as good as unknown, and ends its codes, tokens and grants at once; JWT access tokens, which nobody asks
                 the server about, open their API until they expire
  restore        lets a suspended client in again, with the secrets it had; what was ended stays so
  new-secret     makes a secret and shows it, this once

  --expire-old-in HOURS  how long the secrets it has stay valid beside the new one: 24 unless given; 0 ends them at once
  --yes          does not ask first (suspend asks, and new-secret that ends the others at once)
  --help         shows this

Every node follows within a second, without a restart.
`;

const OVERLAP_HOURS = '24';

type Asked = { clientId: string; yes: boolean | undefined; overlapHours: number };

const commands: Record<string, (asked: Asked) => Promise<number>> = { suspend, restore, 'new-secret': newSecret };

await runCommand('client', HELP, async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: 'boolean' }, yes: { type: 'boolean' }, 'expire-old-in': { type: 'string' } },
  });
  const [command, clientId, ...more] = positionals;
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (command === 'list' && !clientId) return withDatabase(list);
  const act = commands[command ?? ''];
  if (!act || !clientId || more.length) throw new UsageError('say what to do: list, or suspend, restore or new-secret and a client_id');
  const hours = values['expire-old-in'];
  if (hours !== undefined && (command !== 'new-secret' || !/^\d+(\.\d+)?$/.test(hours)))
    throw new UsageError('--expire-old-in is for new-secret, and takes a number of hours');
  return act({ clientId, yes: values.yes, overlapHours: Number(hours ?? OVERLAP_HOURS) });
});

async function list(database: Database): Promise<number> {
  const rows = (await listClients(database)).map(({ id, name, registration, method, secrets, created_at, suspended_at }) => [
    id,
    // Quoted: a name is somebody else's text, and a terminal obeys some characters.
    JSON.stringify(name ?? ''),
    registration,
    method,
    String(secrets),
    moment(created_at),
    moment(suspended_at),
  ]);
  console.log(table([['CLIENT_ID', 'NAME', 'REGISTERED BY', 'AUTHENTICATES BY', 'SECRETS', 'SINCE', 'SUSPENDED'], ...rows]));
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
