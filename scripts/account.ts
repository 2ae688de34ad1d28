import { parseArgs } from 'node:util';
import {
  type AccountRecord,
  changeRole,
  disableAccount,
  enableAccount,
  findAccountRecord,
  listAccounts,
} from '../src/accounts/administration.ts';
import { ROLES, type Role } from '../src/accounts/roles.ts';
import { auditEvent, type EventType } from '../src/audit/events.ts';
import { removeFactors } from '../src/factors/store.ts';
import { LANGUAGES, type Language } from '../src/http/language.ts';
import type { Database, Statement } from '../src/platform/database.ts';
import { endAccount } from '../src/protocol-store/grants.ts';
import { endSessions } from '../src/protocol-store/signed-in-browsers.ts';
import { create } from './account-create.ts';
import { confirmed, moment, OPERATOR, quoted, runCommand, table, UsageError, withDatabase } from './command.ts';

const SHOWN = 1_000;

const HELP = `Usage: node scripts/account.ts list [--search TEXT]
       node scripts/account.ts create EMAIL --name NAME [--admin] [--language ko|en]
       node scripts/account.ts disable|enable|end-sessions|remove-factors|make-admin|unmake-admin EMAIL [--yes]
       node scripts/account.ts set-role EMAIL user|auditor|support|admin [--yes]

  list                  shows people, the first ${SHOWN} by their addresses
  create EMAIL          makes an account without a password, and mails its person a link to choose one
  disable EMAIL         keeps a person from signing in, and ends their sessions, grants and tokens at once
  enable EMAIL          lets them sign in again; what was ended stays so
  end-sessions EMAIL    signs a person out of every browser, and ends what apps hold for as long as they are signed in
  remove-factors EMAIL  for a person who has lost theirs, and who it is you are sure of: takes passkeys, authenticator app and
                        recovery codes away, and ends what is open. The password signs in alone again; without one, a reset does
  make-admin EMAIL      lets a person run this place
  unmake-admin EMAIL    takes that back, and signs them out
  set-role EMAIL ROLE   says what a person may do here, and signs them out: a user nothing, an auditor sees everything and changes nothing,
                        support also looks after people and ends what apps were allowed, an admin may do all

  --search TEXT         those alone of whom address, user name or name contains it
  --name NAME           what the person is called
  --admin               makes them an admin
  --language ko|en      of the mail: en unless said otherwise
  --yes                 does not ask first (all but list, create and enable ask)
  --help                shows this

create reads the server's environment, as the server does; the others need DATABASE_URL alone. Everything but list is recorded, and people
find it in their activity.
`;

type Act = { question?: string; done: string; type: EventType; detail?: { role: Role }; statements(account: AccountRecord): Statement[] };

const ACTS: Record<string, Act> = {
  disable: {
    question: 'Keep EMAIL from signing in, and end everything that is open under it?',
    done: 'EMAIL is disabled, and all that was open under it has ended',
    type: 'account_disabled',
    // Together: an account that is disabled has nothing open, at no moment.
    statements: ({ id }) => [disableAccount(id), endAccount(id)],
  },
  enable: {
    done: 'EMAIL can sign in again',
    type: 'account_enabled',
    statements: ({ id }) => [enableAccount(id)],
  },
  'end-sessions': {
    question: 'Sign EMAIL out of every browser?',
    done: 'EMAIL is signed out of every browser',
    type: 'signed_out_everywhere',
    statements: ({ id }) => [endSessions(id)],
  },
  'remove-factors': {
    question: 'Take all factors of EMAIL away, and end everything that is open under it?',
    done: 'EMAIL has no factors any more, and all that was open under it has ended',
    type: 'factors_removed',
    statements: ({ id }) => [removeFactors(id), endAccount(id)],
  },
  'make-admin': {
    question: 'Let EMAIL run this place?',
    done: 'EMAIL is an admin',
    type: 'admin_made',
    statements: ({ id }) => [changeRole(id, 'admin')],
  },
  'unmake-admin': {
    question: 'Let EMAIL run this place no longer?',
    done: 'EMAIL is no admin, and signed out of every browser',
    type: 'admin_unmade',
    statements: ({ id }) => [changeRole(id, 'user'), endSessions(id)],
  },
};

/** Whatever the role was: what is open under it goes. */
const roleAct = (role: Role): Act => ({
  question: `Make EMAIL ${AS[role]}?`,
  done: `EMAIL is ${AS[role]}, and signed out of every browser`,
  type: 'role_changed',
  detail: { role },
  statements: ({ id }) => [changeRole(id, role), endSessions(id)],
});

const AS: Record<Role, string> = { user: 'a user like all others', auditor: 'an auditor', support: 'support', admin: 'an admin' };

const OPTIONS = {
  help: { type: 'boolean' },
  yes: { type: 'boolean' },
  search: { type: 'string' },
  name: { type: 'string' },
  admin: { type: 'boolean' },
  language: { type: 'string' },
} as const;

await runCommand('account', HELP, async () => {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: OPTIONS });
  const [command = '', email, ...others] = positionals;
  const more = command === 'set-role' ? others.slice(1) : others;
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (values.search !== undefined && command !== 'list') throw new UsageError('--search is for list');
  for (const option of ['name', 'admin', 'language'] as const)
    if (values[option] !== undefined && command !== 'create') throw new UsageError(`--${option} is for create`);
  if (command === 'list' && !email) return withDatabase((database) => list(database, values.search ?? ''));
  if (!email || more.length) throw new UsageError('say what to do, and to whom');
  if (command === 'create') {
    if (values.name === undefined) throw new UsageError('create needs --name');
    return create({ email, name: values.name, role: values.admin ? 'admin' : 'user', language: languageFrom(values.language) });
  }
  const act = command === 'set-role' ? roleAct(roleFrom(others[0])) : Object.hasOwn(ACTS, command) ? ACTS[command] : undefined;
  if (!act) throw new UsageError('say what to do, and to whom');
  return withDatabase((database) => run(database, act, email, values.yes));
});

function roleFrom(asked: string | undefined): Role {
  const role = ROLES.find((known) => known === asked);
  if (!role) throw new UsageError(`set-role takes a person and one of ${ROLES.join(', ')}`);
  return role;
}

function languageFrom(asked = 'en'): Language {
  const language = LANGUAGES.find((known) => known === asked);
  if (!language) throw new UsageError(`--language is ${LANGUAGES.join(' or ')}`);
  return language;
}

async function run(database: Database, act: Act, email: string, yes: boolean | undefined): Promise<number> {
  const account = await findAccountRecord(database, email);
  if (!account) {
    console.log(`there is no account ${email}`);
    return 1;
  }
  if (
    act.question &&
    !(await confirmed(
      act.question.replace('EMAIL', () => account.email),
      yes,
    ))
  )
    return 1;
  const told = auditEvent(OPERATOR, { type: act.type, accountId: account.id, ...(act.detail ? { detail: act.detail } : undefined) });
  await database.transaction([...act.statements(account), told]);
  console.log(act.done.replace('EMAIL', () => account.email));
  return 0;
}

async function list(database: Database, search: string): Promise<number> {
  const found = await listAccounts(database, search, SHOWN + 1);
  const rows = found
    .slice(0, SHOWN)
    .map(({ email, email_verified, username, name, role, created_at, disabled_at, delete_after }) => [
      email,
      email_verified ? 'yes' : 'no',
      quoted(username),
      quoted(name),
      role satisfies Role,
      moment(created_at),
      moment(disabled_at),
      moment(delete_after),
    ]);
  console.log(table([['EMAIL', 'PROVEN', 'USER NAME', 'NAME', 'ROLE', 'SINCE', 'DISABLED', 'TO BE DELETED'], ...rows]));
  if (found.length > SHOWN) console.log(`\nThere are more: say --search TEXT.`);
  return 0;
}
