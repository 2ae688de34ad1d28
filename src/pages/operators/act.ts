import { z } from 'zod';
import { type AuditEvent, recordEvent, recordEventWith } from '../../audit/events.ts';
import type { Visitor } from '../../http/visitor.ts';
import type { StartingApp } from '../../oauth/app.ts';
import { MAX_NAME_CHARACTERS } from '../../oauth/clients/display-name.ts';
import type { AdminScope } from '../../oauth/scopes/admin-scopes.ts';
import type { Role } from '../../people/roles.ts';
import { ROLES } from '../../people/roles.ts';
import { isStorable, Prisma, type Statement } from '../../platform/database.ts';
import { foundNothing, isDeadlock } from '../../platform/sql-errors.ts';
import { isBlank, isDeceptive } from '../../platform/visible-text.ts';
import { allowedTo } from '../permissions.ts';

/**
 * Owns the type of an operator's acts. The pages and the API of administration run the same acts, so that neither allows more than the
 * other. An act names its scope, checks its input, and writes the change and its audit event in one transaction.
 */

/** Who acts: a user at the pages, a user through a client at the API, or a client for itself. */
export type Actor = {
  accountId?: string | undefined;
  clientId?: string | undefined;
  /** Scopes of the actor; for a user through a client, the scopes that both have. */
  may: readonly AdminScope[];
  /** Upstream providers at which this actor can act for users. An actor with every admin scope needs none: see isWithin(). */
  services?: readonly string[];
  from: Visitor;
  /**
   * An operator with access to the machine may do what would otherwise lock all admins out. They can undo it, even the removal of the last
   * admin.
   */
  atTheMachine?: true;
};

/** The bag of an act, with the actor. */
export type ActingApp = Pick<StartingApp, 'config' | 'database' | 'keyRing'> & {
  actor: Actor;
  /** A statement to write in the first transaction of an act, once or not at all: see features/admin/api/idempotency.ts. */
  along?(): Statement | undefined;
};

/** Why an act was refused. Then it changed nothing. */
export type Reason =
  /** The actor lacks the scope. */
  | 'forbidden'
  /** The target may do more than the actor. */
  | 'above'
  | 'unknown'
  /** The target is the actor's own account. */
  | 'own_account'
  /** No admin would remain. */
  | 'last_admin'
  /** The client would have no owner. */
  | 'last_owner'
  /** A client that this server needs. */
  | 'own_client'
  | 'own_resource_server'
  /** Another account has the address. */
  | 'taken'
  /** The handle matches more than one. */
  | 'ambiguous'
  /** The target changed meanwhile. */
  | 'changed'
  | 'invalid';

/** A field of the input, as a path such as `scopes.0`, and what is wrong with it. */
export type FieldProblem = { field: string; detail: string };

export type Outcome<Result> = { ok: true; result: Result } | { ok: false; reason: Reason; problems?: FieldProblem[] };

export type Act<Input = unknown, Result = unknown> = {
  /** One sentence for the API document. */
  summary: string;
  scope: AdminScope;
  input: z.ZodType<Input>;
  /** The result as JSON. */
  result: z.ZodType<Result>;
  /** Whether it creates something, so that a repetition creates a second one. */
  creates?: true;
  /** @param target from the URL, as a stranger may write it; the database can store it. */
  run(app: ActingApp, target: string, input: Input): Promise<Outcome<Result>>;
};

/** An act of any input and result: perform() checks what it gets. */
export type AnyAct = Omit<Act, 'input' | 'result' | 'run'> & { input: unknown; result: unknown; run: unknown };

/** The act has no input. */
export const NOTHING = z.strictObject({});

export const done = <Result>(result: Result): Outcome<Result> => ({ ok: true, result });
export const refused = (reason: Reason, problems?: FieldProblem[]) => ({
  ok: false as const,
  reason,
  ...(problems ? { problems } : undefined),
});

/**
 * The only way to run an act.
 * @param wish.target what it acts on, as in the URL.
 * @param wish.input as sent; it is checked here.
 * @throws DatabaseUnavailable
 */
export async function perform<Input, Result>(
  act: Act<Input, Result>,
  app: ActingApp,
  { target = '', input = {} }: { target?: string; input?: unknown },
): Promise<Outcome<Result>> {
  if (!app.actor.may.includes(act.scope)) return refused('forbidden');
  if (!isStorable(target)) return refused('unknown');
  const judged = act.input.safeParse(input);
  if (!judged.success)
    return refused(
      'invalid',
      judged.error.issues.map(({ path, message }) => ({ field: path.join('.'), detail: message })),
    );
  if (!isStorable(judged.data)) return refused('invalid', [{ field: '', detail: 'text must not contain NUL or unpaired surrogates' }]);
  try {
    return await act.run(app, target, judged.data);
  } catch (error) {
    if (foundNothing(error) || isDeadlock(error)) return refused('changed');
    throw error;
  }
}

/** The audit event of an act: the user, the client and the address. It is written in the act's transaction, and so is `along`. */
export function recordActEvent(app: ActingApp, event: Omit<AuditEvent, 'actorId'>): Statement {
  const [insert, along] = [recordEvent(app.actor.from, byWhom(app, event)), app.along?.()];
  return along ? Prisma.sql`with along as (${along}) ${insert}` : insert;
}

/** The same for an insert, update or delete, whose `id` it records as `idAs`. The first statement returns the act's rows. */
export function recordActEventWith(
  app: ActingApp,
  act: Statement,
  event: Omit<AuditEvent, 'actorId'>,
  idAs: string,
): [Statement, ...Statement[]] {
  const along = app.along?.();
  return [recordEventWith(act, app.actor.from, byWhom(app, event), idAs), ...(along ? [along] : [])];
}

const byWhom = ({ actor }: ActingApp, { detail, ...event }: Omit<AuditEvent, 'actorId'>): AuditEvent => ({
  ...event,
  ...(actor.accountId === undefined ? undefined : { actorId: actor.accountId }),
  detail: { ...detail, ...(actor.clientId === undefined ? undefined : { by: actor.clientId }) },
});

/** The roles that allow no more than the actor's scopes. The actor may assign and remove them, and manage users who have them. */
export const rolesWithin = (may: readonly AdminScope[]): Role[] =>
  ROLES.filter((role) => allowedTo(role).every((scope) => may.includes(scope)));

/** A name that an operator gives to a user or an object. */
export const nameInWords = z
  .string()
  .trim()
  .min(1, 'must not be empty')
  .max(MAX_NAME_CHARACTERS, `must have ${MAX_NAME_CHARACTERS} characters or fewer`)
  .refine((name) => !isDeceptive(name), 'must not contain control, bidirectional or invisible characters')
  .refine((name) => !name || !isBlank(name), 'must have a letter, a digit or a sign that people see');
