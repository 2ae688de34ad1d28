import { parseArgs } from 'node:util';
import { auditEvent } from '../src/audit/events.ts';
import { endAccessOfClient, endAccessOfPerson, endGrant, endToken } from '../src/features/admin/acts/access.ts';
import { findClientRecord } from '../src/oauth/clients/inspection.ts';
import { findGrant, revokeGrantsTo } from '../src/oauth/store/grants.ts';
import { findByHandle, type Holder, listTokens } from '../src/oauth/store/token-handles.ts';
import type { Act } from '../src/pages/operators/act.ts';
import { findAccountRecord } from '../src/people/administration.ts';
import type { Database } from '../src/platform/database.ts';
import {
  confirmed,
  moment,
  OPERATOR,
  performAsOperator,
  quoted,
  resultOf,
  runCommand,
  table,
  UsageError,
  withDatabase,
} from './command.ts';

const SHOWN = 1_000;

const HELP = `Usage: node scripts/tokens.ts list [--client CLIENT_ID] [--account EMAIL]
       node scripts/tokens.ts revoke (--client CLIENT_ID | --account EMAIL | --client CLIENT_ID --account EMAIL) [--yes]
       node scripts/tokens.ts revoke (--grant ID | --token HANDLE) [--yes]

  list    shows live tokens, ${SHOWN} at most: each by a handle, which opens nothing, and by the grant that it stands under
  revoke  ends them at once; sessions stay, and so does what is registered

  --client CLIENT_ID  all that a client holds, for people and for itself. It may come and ask for more: scripts/client.ts suspend keeps it out
  --account EMAIL     all that a person allowed; with --client, all that they allowed this one
  --grant ID          what one grant allowed
  --token HANDLE      one token alone; the client refreshes an access token if it holds a refresh token
  --yes               does not ask first
  --help              shows this

Nobody need know the value of a token, and none is taken here. JWT access tokens are kept nowhere: they are not listed, and open their API
until they expire.
`;

const OPTIONS = {
  help: { type: 'boolean' },
  yes: { type: 'boolean' },
  client: { type: 'string' },
  account: { type: 'string' },
  grant: { type: 'string' },
  token: { type: 'string' },
} as const;

/** What is to be ended: in which words, and how. @returns of `end` what was done. */
type Order = { question: string; end(): Promise<string> };

await runCommand('tokens', HELP, async () => {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: OPTIONS });
  const [command, ...more] = positionals;
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (more.length || (command !== 'list' && command !== 'revoke')) throw new UsageError('say what to do: list or revoke');
  const { client, account, grant, token, yes } = values;
  const held = client !== undefined || account !== undefined;
  const named = [held, grant !== undefined, token !== undefined].filter(Boolean).length;
  if (named !== 1 || (command === 'list' && !held))
    throw new UsageError(`say whose: --client, --account or both${command === 'list' ? '' : ', or else --grant or --token'}`);
  return withDatabase(async (database) => {
    if (command === 'list') return list(database, await holderOf(database, client, account));
    const order =
      grant !== undefined
        ? await orderForGrant(database, grant)
        : token !== undefined
          ? await orderForToken(database, token)
          : orderForHolder(database, await holderOf(database, client, account), account ?? '');
    if (!(await confirmed(order.question, yes))) return 1;
    console.log(await order.end());
    return 0;
  });
});

/** @throws Error for a client or a person that there is not. */
async function holderOf(database: Database, client: string | undefined, email: string | undefined): Promise<Holder> {
  if (client !== undefined && !(await findClientRecord(database, client))) throw new Error(`there is no client ${quoted(client)}`);
  const account = email === undefined ? undefined : await findAccountRecord(database, email);
  if (email !== undefined && !account) throw new Error(`there is no account ${quoted(email)}`);
  return { clientId: client, accountId: account?.id };
}

async function list(database: Database, holder: Holder): Promise<number> {
  const found = await listTokens(database, holder, SHOWN + 1);
  const rows = found
    .slice(0, SHOWN)
    .map((token) => [
      token.handle,
      token.kind,
      token.client_id,
      token.email ?? '-',
      token.grant_id ?? '-',
      quoted(token.scope ?? ''),
      moment(token.issued_at),
      moment(token.expires_at),
      moment(token.consumed_at),
    ]);
  console.log(table([['HANDLE', 'KIND', 'CLIENT_ID', 'ACCOUNT', 'GRANT', 'SCOPE', 'ISSUED', 'EXPIRES', 'USED UP'], ...rows]));
  if (found.length > SHOWN) console.log('\nThere are more: say --client and --account.');
  return 0;
}

function orderForHolder(database: Database, { clientId, accountId }: Holder, email: string): Order {
  if (accountId === undefined) {
    const client = clientId as string;
    return {
      question: `End all that ${client} holds, for whomever?`,
      async end() {
        const done = resultOf(await performAsOperator(database, endAccessOfClient, { target: client }), client);
        if (!done) throw new Error(`there is no client ${quoted(client)}`);
        return `all that ${client} held has ended (${done.ended} codes, tokens and grants)`;
      },
    };
  }
  if (clientId === undefined) return orderOf(database, `all that ${email} allowed`, endAccessOfPerson, accountId);
  const what = `all that ${email} allowed ${clientId}`;
  return {
    question: `End ${what}?`,
    async end() {
      const told = auditEvent(OPERATOR, { type: 'access_ended', accountId, clientId });
      await database.transaction([revokeGrantsTo(clientId, accountId), told]);
      return `ended: ${what}`;
    },
  };
}

/** @throws Error for a grant that there is not. */
async function orderForGrant(database: Database, id: string): Promise<Order> {
  const grant = await findGrant(database, id);
  if (!grant) throw new Error(`there is no grant ${quoted(id)}`);
  return orderOf(database, `grant ${id}, to ${grant.client_id}, and all that was issued under it`, endGrant, id);
}

/** @throws Error for a handle that names none, or more than one. */
async function orderForToken(database: Database, handle: string): Promise<Order> {
  const [token, another] = await findByHandle(database, handle);
  // Somebody may have written a token's value: it is not repeated.
  if (!token) throw new Error('there is no live token by that handle: take it from the list');
  if (another) throw new Error('the handle names more than one token: end their grants instead');
  return orderOf(database, `${token.kind} ${handle}, of ${token.client_id}`, endToken, handle);
}

function orderOf<Result>(database: Database, what: string, act: Act<object, Result>, target: string): Order {
  return {
    question: `End ${what}?`,
    async end() {
      // Whatever has gone since it was asked about has ended all the same.
      resultOf(await performAsOperator(database, act, { target }), what);
      return `ended: ${what}`;
    },
  };
}
