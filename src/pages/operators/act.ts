import { z } from 'zod';
import { type AuditEvent, auditEvent, audited } from '../../audit/events.ts';
import type { Visitor } from '../../http/visitor.ts';
import { MAX_NAME_CHARACTERS } from '../../oauth/clients/display-name.ts';
import type { AdminScope } from '../../oauth/scopes/admin-scopes.ts';
import type { Role } from '../../people/roles.ts';
import { ROLES } from '../../people/roles.ts';
import type { Config } from '../../platform/config.ts';
import { type Database, isStorable, Prisma, type Statement } from '../../platform/database.ts';
import type { KeyRing } from '../../platform/secrets.ts';
import { foundNothing, isDeadlock } from '../../platform/sql-errors.ts';
import { isBlank, isDeceptive } from '../../platform/visible-text.ts';
import { allowedTo } from '../permissions.ts';

/**
 * The vocabulary of what operators do: the pages and the API of administration do it by the same acts, so that neither can do what the other
 * must not. An act says who may, judges what it is given, and does it in one transaction with its record in the audit log.
 */

/** Who acts: a person at our pages, a person by a client at the API, or a client for itself. */
export type Actor = {
  accountId?: string | undefined;
  clientId?: string | undefined;
  /** What they may do now: of a person by a client, what both may. */
  may: readonly AdminScope[];
  /** Upstream providers at which this actor can act for people. An actor with every admin scope needs none: see isWithin(). */
  services?: readonly string[];
  from: Visitor;
  /** Whoever has the machine may do what would lock everybody out here, such as unmake the last admin: they can undo it. */
  atTheMachine?: true;
};

export type Doing = {
  database: Database;
  config: Config;
  keyRing: KeyRing;
  actor: Actor;
  /** What is to be written in the first transaction of an act or not at all, told once: see api/idempotency.ts. */
  along?(): Statement | undefined;
};

/** Why something was not done. Then nothing was. */
export type Reason =
  /** Who acts may not do such things. */
  | 'forbidden'
  /** What it would be done to may do more than who acts. */
  | 'above'
  | 'unknown'
  /** It would be done to who acts. */
  | 'own_account'
  /** Nobody would be left who may do everything. */
  | 'last_admin'
  /** Nobody would be left who looks after it. */
  | 'last_owner'
  /** A client that this server cannot do without. */
  | 'own_client'
  | 'own_resource_server'
  /** Somebody has the address already. */
  | 'taken'
  /** The handle names more than one. */
  | 'ambiguous'
  /** It became something else while it was looked at. */
  | 'changed'
  | 'invalid';

/** A field of the input, as a path such as `scopes.0`, and what is wrong with it. */
export type FieldProblem = { field: string; detail: string };

export type Outcome<Result> = { ok: true; result: Result } | { ok: false; reason: Reason; problems?: FieldProblem[] };

export type Act<Input = unknown, Result = unknown> = {
  /** What it does, in one sentence of the API's document. */
  summary: string;
  scope: AdminScope;
  input: z.ZodType<Input>;
  /** What it tells when it is done, as JSON. */
  result: z.ZodType<Result>;
  /** It makes something: done twice, there are two. */
  creates?: true;
  /** @param target what its address names, as a stranger may write it; storable. */
  run(doing: Doing, target: string, input: Input): Promise<Outcome<Result>>;
};

/** Of whichever input and result: perform() judges what it is given. */
export type AnyAct = Omit<Act, 'input' | 'result' | 'run'> & { input: unknown; result: unknown; run: unknown };

/** Nothing to say but what is done to whom. */
export const NOTHING = z.strictObject({});

export const done = <Result>(result: Result): Outcome<Result> => ({ ok: true, result });
export const refused = (reason: Reason, problems?: FieldProblem[]) => ({
  ok: false as const,
  reason,
  ...(problems ? { problems } : undefined),
});

/**
 * The only way to act. @param wish.target what it is done to, as the address has it. @param wish.input as it was sent: it is judged here.
 * @throws DatabaseUnavailable
 */
export async function perform<Input, Result>(
  act: Act<Input, Result>,
  doing: Doing,
  { target = '', input = {} }: { target?: string; input?: unknown },
): Promise<Outcome<Result>> {
  if (!doing.actor.may.includes(act.scope)) return refused('forbidden');
  if (!isStorable(target)) return refused('unknown');
  const judged = act.input.safeParse(input);
  if (!judged.success)
    return refused(
      'invalid',
      judged.error.issues.map(({ path, message }) => ({ field: path.join('.'), detail: message })),
    );
  if (!isStorable(judged.data)) return refused('invalid', [{ field: '', detail: 'text must not contain NUL or unpaired surrogates' }]);
  try {
    return await act.run(doing, target, judged.data);
  } catch (error) {
    if (foundNothing(error) || isDeadlock(error)) return refused('changed');
    throw error;
  }
}

/** The record of an act: who, by which client, from where. It is in the transaction of what it tells of, and so is what goes along with it. */
export function recorded(doing: Doing, event: Omit<AuditEvent, 'actorId'>): Statement {
  const [told, along] = [auditEvent(doing.actor.from, byWhom(doing, event)), doing.along?.()];
  return along ? Prisma.sql`with along as (${along}) ${told}` : told;
}

/** The same of an insert, update or delete, whose `id` it tells as `idAs`; its rows are the act's. */
export function recordedAct(doing: Doing, act: Statement, event: Omit<AuditEvent, 'actorId'>, idAs: string): [Statement, ...Statement[]] {
  const along = doing.along?.();
  return [audited(act, doing.actor.from, byWhom(doing, event), idAs), ...(along ? [along] : [])];
}

const byWhom = ({ actor }: Doing, { detail, ...event }: Omit<AuditEvent, 'actorId'>): AuditEvent => ({
  ...event,
  ...(actor.accountId === undefined ? undefined : { actorId: actor.accountId }),
  detail: { ...detail, ...(actor.clientId === undefined ? undefined : { by: actor.clientId }) },
});

/** The roles that may do nothing which who acts may not do: theirs to give and to take, and those who have them theirs to look after. */
export const rolesWithin = (may: readonly AdminScope[]): Role[] =>
  ROLES.filter((role) => allowedTo(role).every((scope) => may.includes(scope)));

/** What people or things are called, in an operator's words. */
export const nameInWords = z
  .string()
  .trim()
  .min(1, 'must not be empty')
  .max(MAX_NAME_CHARACTERS, `must have ${MAX_NAME_CHARACTERS} characters or fewer`)
  .refine((name) => !isDeceptive(name), 'must not contain control, bidirectional or invisible characters')
  .refine((name) => !name || !isBlank(name), 'must have a letter, a digit or a sign that people see');
