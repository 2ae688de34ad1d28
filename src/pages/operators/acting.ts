import { seeOther } from '../../http/redirects.ts';
import { visitorOf } from '../../http/visitor.ts';
import type { AdminScope } from '../../oauth/scopes/admin-scopes.ts';
import { changedApart } from '../../oauth/store/unit-of-work.ts';
import { AppError } from '../../platform/errors.ts';
import { type OwnPage, show, type Visit } from '../own-pages.ts';
import { allowedTo, mayDo } from '../permissions.ts';
import { type Act, type ActingApp, type AnyAct, type Outcome, perform, type Reason } from './act.ts';

/**
 * Owns how an operator acts at the pages. Each act has a page that says what will happen, asks for the input, and requires a recent
 * sign-in. The act itself decides what is done and who may do it; the API runs the same acts.
 */

export type Field = {
  name: string;
  /** Key of the sentence beside it. */
  label: string;
  hint?: string;
  kind: 'text' | 'number' | 'select' | 'checks' | 'lines';
  /** The current value, or the one that was sent. */
  value?: string | string[];
  options?: { value: string; label: string }[];
};

export type Question = {
  /** The act's target. */
  target: string;
  /** Its name for the operator. */
  name?: string | undefined;
  /** Where the browser continues after the act, or after cancelling. */
  back: string;
  /** Facts for the decision. */
  facts?: { label: string; values: Record<string, string | number | Date> }[];
  fields?: Field[];
  /** Text that the operator must type exactly. */
  typed?: string;
  /** The act's input from the form. */
  input?(form: URLSearchParams): unknown | Promise<unknown>;
};

export type ActPage = {
  act: AnyAct;
  /** Prefix of its sentences: `admin.act.<words>.title`, `.text` and `.submit`. */
  words: string;
  /** Whether it is destructive. */
  grave?: true;
  ask(visit: Visit): Promise<Question>;
  /** Answers instead of the redirect back. @returns the key of a problem, if the act had no effect. */
  tell?(visit: Visit, result: never): string | undefined;
};

/** Sentences for refusals. A reason without one is answered 404. */
const PROBLEMS: Partial<Record<Reason, string>> = {
  above: 'admin.problem.above',
  own_account: 'admin.problem.own_account',
  last_admin: 'admin.problem.last_admin',
  last_owner: 'admin.problem.last_owner',
  own_client: 'admin.problem.own_client',
  own_resource_server: 'admin.problem.own_resource_server',
  taken: 'admin.problem.taken',
  ambiguous: 'admin.problem.ambiguous',
  changed: 'admin.problem.changed',
  invalid: 'admin.problem.invalid',
};

export function actPage(page: ActPage): OwnPage {
  const act = page.act as unknown as Act;
  return {
    recent: true,

    async show(visit) {
      insistOn(visit, act.scope);
      showQuestion(visit, page, await page.ask(visit));
    },

    async submit(visit, form) {
      insistOn(visit, act.scope);
      const question = await page.ask(visit);
      if (question.typed !== undefined && form.get('typed')?.trim() !== question.typed)
        return showQuestion(visit, page, refill(question, form), 'admin.problem.typed');
      const outcome: Outcome<unknown> = await perform(act, actingApp(visit), {
        target: question.target,
        input: (await question.input?.(form)) ?? {},
      });
      if (!outcome.ok) return showQuestion(visit, page, refill(question, form), problemOf(outcome.reason));
      // Acts are written by their own transactions.
      changedApart();
      if (!page.tell) return goBack(visit, question.back);
      const problem = page.tell(visit, outcome.result as never);
      if (problem) showQuestion(visit, page, question, problem);
    },
  };
}

/** @throws AppError 404 without the scope: pages that a role may not use do not exist for it. */
export function insistOn({ account }: Visit, scope: AdminScope): void {
  if (!mayDo(account.role, scope)) throw new AppError('not_found', { status: 404, reason: `no ${scope}` });
}

export const actingApp = ({ account, ctx, app: { database, config, keyRing } }: Visit): ActingApp => ({
  database,
  config,
  keyRing,
  actor: { accountId: account.id, may: allowedTo(account.role), from: visitorOf(ctx) },
});

function problemOf(reason: Reason): string {
  const problem = PROBLEMS[reason];
  if (!problem) throw new AppError('not_found', { status: 404, reason });
  return problem;
}

function showQuestion(visit: Visit, { words, grave }: ActPage, question: Question, problem?: string): void {
  const { target: _, input: __, ...asked } = question;
  show(visit, 'admin/act', { ...asked, words, grave, action: visit.ctx.path, ...(problem ? { problem } : undefined) });
}

/** Shows the sent values again, so that the operator need not retype them. */
function refill(question: Question, form: URLSearchParams): Question {
  if (!question.fields) return question;
  const fields = question.fields.map((field) => ({
    ...field,
    value: field.kind === 'checks' ? form.getAll(field.name) : (form.get(field.name) ?? ''),
  }));
  return { ...question, fields };
}

/** Redirects from a form to a page, so that a reload does not repeat it. @param path of this server, possibly with a query. */
export function goBack({ ctx }: Visit, path: string): undefined {
  seeOther(ctx, `${path}${path.includes('?') ? '&' : '?'}done`);
}

/** One entry a line, or separated by spaces and commas. */
export const listed = (text: string | null): string[] => (text ?? '').split(/[\s,]+/).filter(Boolean);
