import { seeOther } from '../../http/see-other.ts';
import { visitorOf } from '../../http/visitor.ts';
import type { AdminScope } from '../../oauth/scopes/admin-scopes.ts';
import { AppError } from '../../platform/errors.ts';
import { type OwnPage, show, type Visit } from '../own-pages.ts';
import { allowedTo, mayDo } from '../permissions.ts';
import { type Act, type AnyAct, type Doing, type Outcome, perform, type Reason } from './act.ts';

/**
 * Owns how an operator acts at our pages: each act has a page of its own that says what will happen, asks for what there is to say, and takes
 * a sign-in of a moment ago. What is done, and by whom it may be, is the act's (src/admin/acts), which the API calls too.
 */

export type Field = {
  name: string;
  /** Key of the sentence beside it. */
  label: string;
  hint?: string;
  kind: 'text' | 'number' | 'select' | 'checks' | 'lines';
  /** As it is now, or was sent. */
  value?: string | string[];
  options?: { value: string; label: string }[];
};

export type Question = {
  /** What it is done to, as the act names it. */
  target: string;
  /** The same as people read it. */
  name?: string | undefined;
  /** Where to when it is done, and when it is not to be. */
  back: string;
  /** What to know before it is decided. */
  facts?: { label: string; values: Record<string, string | number | Date> }[];
  fields?: Field[];
  /** What must be typed, letter by letter. */
  typed?: string;
  /** What the act is told, out of the form. */
  input?(form: URLSearchParams): unknown | Promise<unknown>;
};

export type ActPage = {
  act: AnyAct;
  /** By which its sentences are found: `admin.act.<words>.title`, `.text` and `.submit`. */
  words: string;
  /** It takes something away. */
  grave?: true;
  ask(visit: Visit): Promise<Question>;
  /** In the place of the way back. @returns why nothing came of it, if so. */
  tell?(visit: Visit, result: never): string | undefined;
};

/** Why nothing was done, in words; what is not here is as if there were no such page. */
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
      const outcome: Outcome<unknown> = await perform(act, doingOf(visit), {
        target: question.target,
        input: (await question.input?.(form)) ?? {},
      });
      if (!outcome.ok) return showQuestion(visit, page, refill(question, form), problemOf(outcome.reason));
      // Acts are written by transactions of their own, which nobody hears of.
      visit.ctx.state.pressChanged = true;
      if (!page.tell) return goBack(visit, question.back);
      const problem = page.tell(visit, outcome.result as never);
      if (problem) showQuestion(visit, page, question, problem);
    },
  };
}

/** @throws AppError 404 for who may not: what their role does not open, is not there. */
export function insistOn({ account }: Visit, scope: AdminScope): void {
  if (!mayDo(account.role, scope)) throw new AppError('not_found', { status: 404, reason: `no ${scope}` });
}

export const doingOf = ({ account, ctx, services: { database, config, keyRing } }: Visit): Doing => ({
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

/** What was sent is there again, so that nobody writes it twice. */
function refill(question: Question, form: URLSearchParams): Question {
  if (!question.fields) return question;
  const fields = question.fields.map((field) => ({
    ...field,
    value: field.kind === 'checks' ? form.getAll(field.name) : (form.get(field.name) ?? ''),
  }));
  return { ...question, fields };
}

/** Leads from a form to a page, so that a reload sends nothing twice. @param path of ours, perhaps with a query. */
export function goBack({ ctx }: Visit, path: string): undefined {
  seeOther(ctx, `${path}${path.includes('?') ? '&' : '?'}done`);
}

/** One to a line, or between spaces and commas. */
export const listed = (text: string | null): string[] => (text ?? '').split(/[\s,]+/).filter(Boolean);
