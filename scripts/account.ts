import { parseArgs } from 'node:util';
import { changeRole, disablePerson, enablePerson, endSessionsOfPerson, removeFactorsOfPerson } from '../src/features/admin/acts/people.ts';
import { LANGUAGES, type Language } from '../src/http/language.ts';
import type { Act } from '../src/pages/operators/act.ts';
import { findAccountRecord, listAccounts } from '../src/people/administration.ts';
import { ROLES, type Role } from '../src/people/roles.ts';
import type { Database } from '../src/platform/database.ts';
import { create } from './account-create.ts';
import { confirmed, moment, performAsOperator, quoted, resultOf, runCommand, table, UsageError, withDatabase } from './command.ts';

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
  make-admin EMAIL      lets a person run this place, and signs them out. They need a second factor; the first admin has seven days for that
  unmake-admin EMAIL    takes that back, and signs them out
  set-role EMAIL ROLE   says what a person may do here, and signs them out: a user nothing, an auditor sees everything and changes nothing,
                        support also looks after people and ends what apps were allowed, an admin may do all

  --search TEXT         those alone of whom address, user name or name contains it
  --name NAME           what the person is called
  --admin               makes them an admin
  --language ko|en      of the mail: en unless said otherwise
  --yes                 does not ask first (all but list, create and enable ask)
  --help                shows this

The admin pages keep the last admin: here they can be disabled and unmade too, since whoever has this machine makes another.
create reads the server's environment, as the server does; the others need DATABASE_URL alone. Everything but list is recorded, and people
find it in their activity.
`;

/** What is said, and what is done: the act of the admin pages. @returns of `perform` nothing where nobody is left by the time. */
type Command = { question?: string; done: string; perform(database: Database, id: string): Promise<unknown> };

function command<Input>(act: Act<Input, unknown>, said: Pick<Command, 'question' | 'done'>, input?: Input): Command {
  return {
    ...said,
    perform: async (database, target) =>
      resultOf(await performAsOperator(database, act, { target, ...(input === undefined ? {} : { input }) }), target),
  };
}

/** Whatever the role was: what is open under it goes. */
const roleCommand = (role: Role, question = `Make EMAIL ${AS[role]}?`, done = `EMAIL is ${AS[role]}, and signed out of every browser`) =>
  command(changeRole, { question, done }, { role });

const AS: Record<Role, string> = { user: 'a user like all others', auditor: 'an auditor', support: 'support', admin: 'an admin' };

const COMMANDS: Record<string, Command> = {
  disable: command(disablePerson, {
    question: 'Keep EMAIL from signing in, and end everything that is open under it?',
    done: 'EMAIL is disabled, and all that was open under it has ended',
  }),
  enable: command(enablePerson, { done: 'EMAIL can sign in again' }),
  'end-sessions': command(endSessionsOfPerson, {
    question: 'Sign EMAIL out of every browser?',
    done: 'EMAIL is signed out of every browser',
  }),
  'remove-factors': command(removeFactorsOfPerson, {
    question: 'Take all factors of EMAIL away, and end everything that is open under it?',
    done: 'EMAIL has no factors any more, and all that was open under it has ended',
  }),
  'make-admin': roleCommand('admin', 'Let EMAIL run this place?'),
  'unmake-admin': roleCommand('user', 'Let EMAIL run this place no longer?', 'EMAIL is no admin, and signed out of every browser'),
};

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
  const [name = '', email, ...others] = positionals;
  const more = name === 'set-role' ? others.slice(1) : others;
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (values.search !== undefined && name !== 'list') throw new UsageError('--search is for list');
  for (const option of ['name', 'admin', 'language'] as const)
    if (values[option] !== undefined && name !== 'create') throw new UsageError(`--${option} is for create`);
  if (name === 'list' && !email) return withDatabase((database) => list(database, values.search ?? ''));
  if (!email || more.length) throw new UsageError('say what to do, and to whom');
  if (name === 'create') {
    if (values.name === undefined) throw new UsageError('create needs --name');
    return create({ email, name: values.name, role: values.admin ? 'admin' : 'user', language: languageFrom(values.language) });
  }
  const known = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  const asked = name === 'set-role' ? roleCommand(roleFrom(others[0])) : known;
  if (!asked) throw new UsageError('say what to do, and to whom');
  return withDatabase((database) => run(database, asked, email, values.yes));
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

async function run(database: Database, { question, done, perform }: Command, email: string, yes: boolean | undefined): Promise<number> {
  const account = await findAccountRecord(database, email);
  if (!account) {
    console.log(`there is no account ${email}`);
    return 1;
  }
  const about = (sentence: string) => sentence.replace('EMAIL', () => account.email);
  if (question && !(await confirmed(about(question), yes))) return 1;
  if (!(await perform(database, account.id))) throw new Error(`there is no account ${account.email} any more`);
  console.log(about(done));
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
