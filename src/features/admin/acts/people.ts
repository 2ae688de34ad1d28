import { z } from 'zod';
import type { EventType } from '../../../audit/events.ts';
import { LANGUAGES } from '../../../http/language.ts';
import { endAccount } from '../../../oauth/store/grants.ts';
import { endSession as sessionOf } from '../../../oauth/store/signed-in-browsers.ts';
import {
  type Act,
  type ActingApp,
  done,
  NOTHING,
  type Outcome,
  recordActEvent,
  refused,
  rolesWithin,
} from '../../../pages/operators/act.ts';
import { type AccountRecord, disableAccount } from '../../../people/administration.ts';
import { emailProblem, normalizeEmail } from '../../../people/email-address.ts';
import { removeFactors } from '../../../people/factors.ts';
import { nameFault, tidyName } from '../../../people/names.ts';
import { ROLES } from '../../../people/roles.ts';
import { isAddressTaken } from '../../../people/store.ts';
import type { Statement } from '../../../platform/database.ts';
import { isUniqueViolation, mustFind } from '../../../platform/sql-errors.ts';
import { accountToClaim } from '../claimable.ts';
import {
  enableAccount,
  endSessions,
  findAccountOfSession,
  findAccountRecordById,
  isAnotherAdmin,
  isStillAs,
  changeRole as roleOf,
} from '../people.ts';

/** Owns the operators' acts on users. An operator cannot act on a user with more rights, or on the operator's own account. */

const CHANGED = z.object({ id: z.string() });
type Changed = z.infer<typeof CHANGED>;

type Deed = { type: EventType; statements(id: string): Statement[]; losesAdmin?: true };

/** @returns an act on one user that needs no input. */
function onPerson(summary: string, deed: Deed): Act<object, Changed> {
  return { summary, scope: 'admin:people', input: NOTHING, result: CHANGED, run: (app, id) => doTo(app, id, deed) };
}

async function doTo(app: ActingApp, id: string, deed: Deed & { detail?: Record<string, string> }): Promise<Outcome<Changed>> {
  const judged = await judge(app, id, deed.losesAdmin);
  if (!judged.ok) return judged;
  const { database } = app;
  const event = recordActEvent(app, { type: deed.type, accountId: id, ...(deed.detail ? { detail: deed.detail } : undefined) });
  await database.transaction([...judged.result.guards, ...deed.statements(id), event]);
  return done({ id });
}

/**
 * @returns the user, and the guards that repeat the checks under a lock in the act's transaction. The first read is for the reason of a
 * refusal.
 */
async function judge(app: ActingApp, id: string, losesAdmin?: true): Promise<Outcome<{ person: AccountRecord; guards: Statement[] }>> {
  const { database, actor } = app;
  const person = await findAccountRecordById(database, id);
  if (!person) return refused('unknown');
  if (person.id === actor.accountId) return refused('own_account');
  if (!rolesWithin(actor.may).includes(person.role)) return refused('above');
  const guards = [mustFind(isStillAs(person))];
  if (losesAdmin && person.role === 'admin' && !person.disabledAt && !actor.atTheMachine) {
    const [another] = await database.aside(isAnotherAdmin(id, false));
    if (!another) return refused('last_admin');
    // Before the user's own row, and always in the same order: of two admins who remove each other's role, one succeeds.
    guards.unshift(mustFind(isAnotherAdmin(id, true)));
  }
  return done({ person, guards });
}

export const disablePerson = onPerson("Disable a user's account, and end its sessions, grants and tokens", {
  type: 'account_disabled',
  losesAdmin: true,
  // In one transaction: a disabled account never has an active session or token.
  statements: (id) => [disableAccount(id), endAccount(id)],
});

export const enablePerson = onPerson("Enable a user's account again. Its earlier sessions and grants stay ended", {
  type: 'account_enabled',
  statements: (id) => [enableAccount(id)],
});

export const endSessionsOfPerson = onPerson('Sign a user out of every browser, and end the tokens that last only as long as a session', {
  type: 'signed_out_everywhere',
  statements: (id) => [endSessions(id)],
});

export const endSession: Act<object, Changed> = {
  summary: 'Sign a user out of one browser, and end the tokens that last only as long as that session',
  scope: 'admin:people',
  input: NOTHING,
  result: CHANGED,
  async run(app, uid) {
    const accountId = await findAccountOfSession(app.database, uid);
    if (accountId === undefined) return refused('unknown');
    const ended = await doTo(app, accountId, { type: 'session_ended', statements: (id) => [sessionOf(id, uid)] });
    return ended.ok ? done({ id: uid }) : ended;
  },
};

export const removeFactorsOfPerson = onPerson("Remove all second factors of a user, and end the account's sessions, grants and tokens", {
  type: 'factors_removed',
  statements: (id) => [removeFactors(id), endAccount(id)],
});

const role = z.enum(ROLES);

export const changeRole: Act<{ role: z.infer<typeof role> }, Changed> = {
  summary: "Change a user's role, and sign the user out",
  scope: 'admin:roles',
  input: z.strictObject({ role }),
  result: CHANGED,
  async run(app, id, { role }) {
    if (!rolesWithin(app.actor.may).includes(role)) return refused('above');
    return doTo(app, id, {
      type: 'role_changed',
      ...(role === 'admin' ? undefined : { losesAdmin: true }),
      // Sign the user out, so that no page opened under the old role continues.
      statements: () => [roleOf(id, role), endSessions(id)],
      detail: { role },
    });
  },
};

const newPerson = z.strictObject({
  email: z
    .string()
    .max(320)
    .refine((email) => !emailProblem(email), 'must be a valid mail address'),
  name: z.string().refine((name) => !nameFault(tidyName(name)), 'must be a name of 1 to 100 characters'),
  role: role.default('user'),
  language: z.enum(LANGUAGES).default('en'),
});

export const createPerson: Act<z.infer<typeof newPerson>, Changed & { email: string }> = {
  summary: 'Create an account without a password, and mail the user a link to choose one',
  scope: 'admin:people',
  input: newPerson,
  result: z.object({ id: z.string(), email: z.string() }),
  creates: true,
  async run(app, _target, { email, name, role, language }) {
    const { database, config, keyRing, actor } = app;
    if (role !== 'user' && !actor.may.includes('admin:roles')) return refused('forbidden');
    if (!rolesWithin(actor.may).includes(role)) return refused('above');
    const wish = { email: normalizeEmail(email), name: tidyName(name), role, language };
    if (await isAddressTaken(database, wish.email)) return refused('taken');
    const { id, statements } = accountToClaim({ issuer: config.issuer, keyRing, from: actor.from }, wish);
    try {
      await database.transaction([...statements, recordActEvent(app, { type: 'account_made', accountId: id, detail: { role } })]);
    } catch (error) {
      if (isUniqueViolation(error) && (await isAddressTaken(database, wish.email))) return refused('taken');
      throw error;
    }
    return done({ id, email: wish.email });
  },
};
