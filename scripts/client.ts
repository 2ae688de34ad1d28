import { auditEventForEach, audited } from '../src/audit/events.ts';
import { allowAdminScopes, readAdminScopes } from '../src/clients/admin-scopes.ts';
import { OWN_CLIENTS } from '../src/clients/first-party.ts';
import {
  allowServices,
  holderOfSecret,
  listClients,
  restoreClient,
  rotateSecret,
  suspendClient,
  unverifyClient,
  verifyClient,
} from '../src/clients/store.ts';
import { listProviders } from '../src/federation/providers.ts';
import { HOUR } from '../src/platform/clock.ts';
import type { Database } from '../src/platform/database.ts';
import { randomSecret } from '../src/platform/secrets.ts';
import { endClient } from '../src/protocol-store/grants.ts';
import { type Asked, askedOf, HELP, readArguments, rejectOthers } from './client-options.ts';
import { create, remove, show } from './client-register.ts';
import { confirmed, moment, OPERATOR, runCommand, table, UsageError, withDatabase } from './command.ts';

const commands: Record<string, (asked: Asked) => Promise<number>> = {
  show: ({ clientId }) => withDatabase((database) => show(database, clientId)),
  delete: remove,
  suspend,
  restore,
  'new-secret': newSecret,
  verify,
  unverify,
  'allow-services': allow,
  'disallow-services': allow,
  'allow-admin': allowAdmin,
  'disallow-admin': allowAdmin,
};

await runCommand('client', HELP, async () => {
  const { values, command, clientId, more } = readArguments();
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  rejectOthers(values, command);
  if (command === 'list' && !clientId) return withDatabase(list);
  if (command === 'create' && !clientId) {
    askedOf(values, command, '');
    return create(values);
  }
  const act = Object.hasOwn(commands, command) ? commands[command] : undefined;
  if (!act || !clientId || more.length) throw new UsageError('say what to do: list, create, or one of the others and a client_id');
  return act(askedOf(values, command, clientId));
});

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
    const [known] = await database.change(audited(suspendClient(clientId), OPERATOR, { type: 'client_suspended', clientId }));
    if (!known) return unknown(clientId);
    // Only now: what is issued to a client that was not suspended yet is there to be ended.
    const ended = await endClient(database, clientId);
    console.log(`${clientId} is suspended, and all that it held has ended (${ended} codes, tokens and grants)`);
    return 0;
  });
}

async function restore({ clientId }: Asked): Promise<number> {
  return withDatabase(async (database) => {
    const [known] = await database.change(audited(restoreClient(clientId), OPERATOR, { type: 'client_restored', clientId }));
    if (!known) return unknown(clientId);
    console.log(`${clientId} is let in again`);
    return 0;
  });
}

async function verify({ clientId, yes, publisher }: Asked): Promise<number> {
  if (!(await confirmed(`Tell people that ${JSON.stringify(publisher)} publishes ${clientId}?`, yes))) return 1;
  return withDatabase(async (database) => {
    const event = { type: 'client_verified', clientId, detail: { publisher } } as const;
    const [known] = await database.change(audited(verifyClient(clientId, publisher), OPERATOR, event));
    if (!known) return unknown(clientId);
    console.log(`${clientId} is shown as published by ${publisher}, until it changes what it says of itself`);
    return 0;
  });
}

async function unverify({ clientId, yes }: Asked): Promise<number> {
  if (!(await confirmed(`Show ${clientId} as not verified?`, yes))) return 1;
  return withDatabase(async (database) => {
    const [known] = await database.change(audited(unverifyClient(clientId), OPERATOR, { type: 'client_unverified', clientId }));
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
    const event = { type: 'client_services_changed', clientId, detail: { services, origins } } as const;
    const [found] = await database.change(audited(allowServices(clientId, { services, origins }), OPERATOR, event));
    if (!found) return unknown(clientId);
    console.log(
      services.length
        ? `${clientId} may act for people at ${services.join(', ')}${from}, where they allow it`
        : `${clientId} may act for nobody`,
    );
    return 0;
  });
}

async function allowAdmin({ clientId, yes, scopes }: Asked): Promise<number> {
  if (OWN_CLIENTS.includes(clientId)) throw new Error(`${clientId} is this server's own, and administers nothing`);
  return withDatabase(async (database) => {
    const before = await readAdminScopes(database, clientId);
    if (!before) return unknown(clientId);
    const what = scopes.length ? scopes.join(', ') : 'nothing';
    if (!(await confirmed(`Let ${clientId} ask the admin API for ${what}?`, yes))) return 1;
    const event = { type: 'client_admin_scopes_changed', clientId, detail: { scopes } } as const;
    const [allowed] = await database.change(audited(allowAdminScopes(clientId, scopes, before), OPERATOR, event));
    if (!allowed) throw new Error('somebody else changed it at the same time: look at it again');
    console.log(`${clientId} may ask the admin API for ${what}`);
    return 0;
  });
}

async function newSecret({ clientId, yes, overlapHours }: Asked): Promise<number> {
  if (overlapHours === 0 && !(await confirmed(`End every secret that ${clientId} has, at once?`, yes))) return 1;
  return withDatabase(async (database) => {
    const secret = randomSecret();
    const told = auditEventForEach(OPERATOR, { type: 'client_secret_made', detail: { overlapHours } }, holderOfSecret(secret));
    await database.transaction([rotateSecret(clientId, secret, overlapHours * HOUR), told]);
    const [made] = await database.query(holderOfSecret(secret));
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
