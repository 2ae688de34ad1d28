import { LIMITS, limitRate, withinLimit } from '../http/rate-limit.ts';
import { visitorOf } from '../http/visitor.ts';
import { write } from '../oauth/store/unit-of-work.ts';
import { mailboxOf } from '../people/email-address.ts';
import { endProof, findProof, newProof, PROOF_MINUTES, type Proof, type Purpose, proveByCode, type Wish } from '../people/proofs.ts';
import type { SignUpProblem } from '../people/sign-up.ts';
import { knownHere } from './devices.ts';
import { type Step, showPage } from './step.ts';

/**
 * Owns the wait for a proof by mail: the "check your mail" step of sign-up and of password reset. The interaction's stored result, never a
 * form, says which proof a browser waits for.
 */

type Awaited = { purpose: Purpose; handle: string; email: string };

/**
 * @returns the proof that this browser waits for, from the interaction's stored result; undefined when it waits for no proof of this
 * purpose.
 */
export function awaited({ interaction }: Step, purpose: Purpose): Awaited | undefined {
  const known = interaction.result?.['proof'] as Awaited | undefined;
  return known?.purpose === purpose ? known : undefined;
}

/** Reads the awaited proof from the database. @returns undefined when it expired, was replaced or redeemed, or was never requested. */
export async function awaitedProof(step: Step, purpose: Purpose): Promise<Proof | undefined> {
  const waiting = awaited(step, purpose);
  return waiting && findProof(step.app.database, purpose, waiting.handle);
}

/**
 * Counts a mail before any account lookup, so that the limit answers alike for known and unknown addresses. @throws AppError 429 over the
 * limit.
 */
export async function limitLetters(step: Step, kind: 'sign_up' | 'reset', email: string): Promise<void> {
  const { database } = step.app;
  const device = kind === 'reset' ? await knownHere(step, email) : undefined;
  if (device && (await withinLimit(database, LIMITS.resetAtDevice, device))) return;
  await limitRate(database, LIMITS.lettersFromNetwork, visitorOf(step.ctx).address);
  await limitRate(database, LIMITS.lettersToAddress, `${kind} ${mailboxOf(email)}`);
}

/** Stores a new proof for this browser and ends the previous one. @returns what to mail; `minutes` is how long the proof is valid. */
export async function beginToAwait(
  step: Step,
  page: 'signup' | 'reset',
  wish: Wish,
): Promise<{ code: string; link: string; minutes: number }> {
  const { ctx, interaction, app } = step;
  const { handle, secret, code, statement } = newProof(app.keyRing, wish);
  const before = interaction.result?.['proof'] as Awaited | undefined;
  if (before) await write(app.database, { purpose: 'end', subject: `proof ${before.handle}`, statement: endProof(before.handle) });
  await write(app.database, { purpose: 'keep', subject: `proof ${handle}`, statement });
  const proof: Awaited = { purpose: wish.purpose, handle, email: wish.email };
  await app.provider.interactionResult(ctx.req, ctx.res, { ...interaction.result, proof });
  return { code, link: `${app.config.issuer}/interaction/${interaction.uid}/${page}/link?token=${secret}`, minutes: PROOF_MINUTES };
}

/** Shows the page with the field for the code. @param left how many tries remain. */
export async function showCode(
  step: Step,
  page: 'signup' | 'reset',
  email: string,
  problems: SignUpProblem[] = [],
  left = 0,
): Promise<void> {
  const began = step.app.features.map((feature) => feature.signUpPage?.(step)).find((found) => found !== undefined);
  const other = page === 'signup' ? (began ?? page) : page;
  await showPage(step, 'interaction/code', { page, other, email, problems, left }, problems.length ? 400 : 200);
}

/** Tries the code that the user typed. @returns the proof; undefined for a refused code, after showing the page with the problem. */
export async function tryCode(step: Step, page: 'signup' | 'reset', waiting: Awaited, code: string): Promise<Proof | undefined> {
  const { database, keyRing } = step.app;
  const answer = await proveByCode(database, keyRing, waiting.purpose, waiting.handle, code);
  if (answer === 'gone') {
    await showCode(step, page, waiting.email, [{ field: 'code', key: 'mailed.gone' }]);
    return undefined;
  }
  if ('proof' in answer) return answer.proof;
  await showCode(step, page, waiting.email, [{ field: 'code', key: 'mailed.wrong' }], answer.wrong);
  return undefined;
}
