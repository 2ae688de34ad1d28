import { auditEventForEach } from '../src/audit/events.ts';
import {
  allowAdminScopes,
  requirePkce,
  restoreClient,
  suspendClient,
  unverifyClient,
  verifyClient,
  waivePkce,
} from '../src/features/admin/acts/clients.ts';
import { allowServices } from '../src/features/federation/admin/acts.ts';
import { listProviders } from '../src/features/federation/providers.ts';
import { OWN_CLIENTS } from '../src/oauth/clients/first-party.ts';
import { holderOfSecret, listClients, rotateSecret } from '../src/oauth/clients/store.ts';
import type { Act } from '../src/pages/operators/act.ts';
import { HOUR } from '../src/platform/clock.ts';
import type { Database } from '../src/platform/database.ts';
import { randomSecret } from '../src/platform/secrets.ts';
import { type Asked, askedOf, HELP, readArguments, rejectOthers } from './client-options.ts';
import { create, remove, show } from './client-register.ts';
import {
  confirmed,
  moment,
  OPERATOR,
  ownClientStays,
  performAsOperator,
  resultOf,
  runCommand,
  table,
  UsageError,
  withDatabase,
} from './command.ts';

const commands: Record<string, (asked: Asked) => Promise<number>> = {
  show: ({ clientId }) => withDatabase((database) => show(database, clientId)),
  delete: remove,
  suspend,
  restore,
  'new-secret': newSecret,
  verify,
  unverify,
  'require-pkce': pkce,
  'waive-pkce': waive,
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

/** What is done to one client by an act, and said of it then. @param question when it asks first. */
async function run<Input, Result>(
  { clientId, yes }: Asked,
  act: Act<Input, Result>,
  { question, input, tell }: { question?: string; input?: Input; tell(result: Result): string },
): Promise<number> {
  // Before anybody is asked whether they are certain of what will not be done.
  if (OWN_CLIENTS.includes(clientId)) throw new Error(ownClientStays(clientId));
  if (question && !(await confirmed(question, yes))) return 1;
  return withDatabase(async (database) => {
    const result = resultOf(
      await performAsOperator(database, act, { target: clientId, ...(input === undefined ? {} : { input }) }),
      clientId,
    );
    if (!result) return unknown(clientId);
    console.log(tell(result));
    return 0;
  });
}

function suspend(asked: Asked): Promise<number> {
  return run(asked, suspendClient, {
    question: `Suspend ${asked.clientId} and end everything that it holds?`,
    tell: ({ id, ended }) => `${id} is suspended, and all that it held has ended (${ended} codes, tokens and grants)`,
  });
}

function restore(asked: Asked): Promise<number> {
  return run(asked, restoreClient, { tell: ({ id }) => `${id} is let in again` });
}

function verify(asked: Asked): Promise<number> {
  return run(asked, verifyClient, {
    question: `Tell people that ${JSON.stringify(asked.publisher)} publishes ${asked.clientId}?`,
    input: { publisher: asked.publisher },
    tell: ({ id }) => `${id} is shown as published by ${asked.publisher}, until it changes what it says of itself`,
  });
}

function unverify(asked: Asked): Promise<number> {
  return run(asked, unverifyClient, { question: `Show ${asked.clientId} as not verified?`, tell: ({ id }) => `${id} is not verified` });
}

function pkce(asked: Asked): Promise<number> {
  return run(asked, requirePkce, {
    question: `Refuse requests of ${asked.clientId} without PKCE?`,
    tell: ({ id }) => `${id} must use PKCE`,
  });
}

function waive(asked: Asked): Promise<number> {
  return run(asked, waivePkce, {
    question: `Accept requests of ${asked.clientId} without PKCE?`,
    tell: ({ id }) => `${id} may leave PKCE out, unless this server or what it is requires it`,
  });
}

async function allow(asked: Asked): Promise<number> {
  const { clientId, services, origins } = asked;
  await withDatabase((database) => assertKnown(database, services));
  const from = origins.length ? `, and its pages at ${origins.join(', ')} do so with the person's session alone` : '';
  const where = `${services.join(', ')}${from}`;
  return run(asked, allowServices, {
    question: services.length ? `Let ${clientId} act for people at ${where}?` : `Let ${clientId} act for nobody anywhere?`,
    input: { services, origins },
    tell: ({ id }) => (services.length ? `${id} may act for people at ${where}, where they allow it` : `${id} may act for nobody`),
  });
}

async function assertKnown(database: Database, services: string[]): Promise<void> {
  const known = (await listProviders(database)).map(({ id }) => id);
  const strange = services.filter((id) => !known.includes(id));
  if (strange.length) throw new Error(`there is no provider ${strange.join(', ')}: there is ${known.join(', ') || 'none'}`);
}

function allowAdmin(asked: Asked): Promise<number> {
  const what = asked.scopes.length ? asked.scopes.join(', ') : 'nothing';
  return run(asked, allowAdminScopes, {
    question: `Let ${asked.clientId} ask the admin API for ${what}?`,
    input: { scopes: asked.scopes },
    tell: ({ id }) => `${id} may ask the admin API for ${what}`,
  });
}

async function newSecret({ clientId, yes, overlapHours }: Asked): Promise<number> {
  // Every node derives theirs from DATA_ENCRYPTION_KEYS: with another one the server's own API could not ask about tokens.
  if (OWN_CLIENTS.includes(clientId)) throw new Error(ownClientStays(clientId));
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
