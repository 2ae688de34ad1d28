import type { Context } from 'koa';
import { auditEvent, type EventType } from '../audit/events.ts';
import { type FirstParty, type SignedIn, signedIn } from '../authorization-server/first-party.ts';
import { assertOurForm, csrfToken } from '../http/csrf.ts';
import { readForm } from '../http/form.ts';
import { languageOf } from '../http/language.ts';
import { composeLetter, type Letters } from '../http/letters.ts';
import { visitorOf } from '../http/visitor.ts';
import { MINUTE } from '../platform/clock.ts';
import type { Statement } from '../platform/database.ts';
import { isMailAddress, mailLetter } from '../platform/mail.ts';
import { KeyRing } from '../platform/secrets.ts';

/** What the pages about a person's factors have in common: who is there, how recently they signed in, and the form's proof that it is theirs. */

export type FactorVisit = SignedIn & { ctx: Context; csrf: string; services: FirstParty };

/** Where they all begin and end. */
export const FACTORS_PATH = '/account/factors';

// Whoever finds a browser open may look, and change nothing.
const RECENT_SECONDS = 5 * MINUTE;

/** @returns undefined when the browser was sent to sign in. */
export async function visit(ctx: Context, services: FirstParty, { recent = false } = {}): Promise<FactorVisit | undefined> {
  const there = await signedIn(ctx, services, recent ? { maxAgeSeconds: RECENT_SECONDS } : {});
  if (!there) return undefined;
  return { ...there, ctx, services, csrf: csrfToken(services.config.cookieKeys, subject(there)) };
}

/** Takes a form of theirs, from whoever has signed in recently. @throws AppError 403 for a form that is not ours. */
export async function visitWithForm(
  ctx: Context,
  services: FirstParty,
): Promise<{ there: FactorVisit; form: URLSearchParams } | undefined> {
  const form = await readForm(ctx);
  const there = await visit(ctx, services, { recent: true });
  if (!there) return undefined;
  assertOurForm(ctx, services.config.cookieKeys, subject(there), form.get('csrf'), services.config.issuer);
  return { there, form };
}

/** Back to the list, which says what was done. A form becomes a GET, so that reloading does not send it again. */
export function done({ ctx }: FactorVisit, what?: EventType): void {
  ctx.redirect(what ? `${FACTORS_PATH}?done=${what}` : FACTORS_PATH);
  ctx.status = 303;
  ctx.set('Cache-Control', 'no-store');
}

export function event({ ctx, account }: FactorVisit, type: EventType, detail: Record<string, string> = {}): Statement {
  return auditEvent(visitorOf(ctx), { type, accountId: account.id, detail });
}

/** The writing of the letter about a change, to be run with the event: whoever did not make it is to hear of it. None, to what mail cannot be sent to. */
export function letter({ ctx, account, services }: FactorVisit, change: Omit<Letters['factor_changed'], 'person'>): Statement[] {
  if (!isMailAddress(account.email)) return [];
  const occasion = { issuer: services.config.issuer, visitor: visitorOf(ctx), at: new Date() };
  const composed = composeLetter(languageOf(ctx), 'factor_changed', { person: account.name, ...change, ...occasion });
  return [mailLetter(new KeyRing(services.config.dataEncryptionKeys), account.email, composed)];
}

const subject = ({ session }: SignedIn) => `factors ${session.uid}`;
