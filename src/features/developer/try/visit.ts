import { createHash } from 'node:crypto';
import { TRY_CALLBACK_PATH } from '../../../oauth/clients/first-party.ts';
import { ROUTES } from '../../../oauth/routes.ts';
import { rememberOnce } from '../../../oauth/store/records.ts';
import type { Visit } from '../../../pages/own-pages.ts';
import { MINUTE } from '../../../platform/clock.ts';
import { AppError } from '../../../platform/errors.ts';
import { randomSecret } from '../../../platform/secrets.ts';

/**
 * Owns the state that a trial of a client carries through the browser. It is sealed, so that the verifier stays secret and cannot be
 * forged, and bound to the user and the browser that began it.
 */

/** The time a user has to sign in and decide. */
const TRIAL_SECONDS = 15 * MINUTE;

export type Trial = {
  clientId: string;
  verifier: string;
  nonce: string;
  scope: string;
  /** Present once the code has arrived. */
  code?: string;
};

/** The received tokens, for the button that revokes them. */
export type Got = { clientId: string; accessToken: string; refreshToken?: string | undefined };

type Sealed<T> = T & { bound: string; until: number };

const boundTo = ({ account, session }: Visit) => `${account.id} ${session.uid}`;

export function seal<T extends Trial | Got>(visit: Visit, context: string, what: T): string {
  const sealed: Sealed<T> = { ...what, bound: boundTo(visit), until: Date.now() + TRIAL_SECONDS * 1_000 };
  return visit.app.keyRing.encrypt(JSON.stringify(sealed), `try: ${context}`);
}

/** @throws AppError 400 for a value that was not sealed for this purpose and browser, or has expired. */
export function unseal<T extends Trial | Got>(visit: Visit, context: string, text: unknown): T {
  const opened = typeof text === 'string' ? read<T>(visit, context, text) : undefined;
  if (!opened || opened.bound !== boundTo(visit) || opened.until < Date.now()) throw gone('unreadable_or_of_another');
  return opened;
}

function read<T>({ app: { keyRing } }: Visit, context: string, text: string): Sealed<T> | undefined {
  try {
    return JSON.parse(keyRing.decrypt(text, `try: ${context}`));
  } catch {
    return undefined;
  }
}

/**
 * Accepts one answer to a trial's request. It remembers the nonce, because a sealed text has several encodings. @throws AppError 400 for a
 * second answer.
 */
export async function answerOnce(visit: Visit, { nonce }: Trial): Promise<void> {
  if (!(await rememberOnce(visit.app.database, JSON.stringify(['try', nonce]), TRIAL_SECONDS))) throw gone('used');
}

export const gone = (reason: string): AppError => new AppError('try_gone', { status: 400, reason });

export const callbackOf = (issuer: string): string => `${issuer}${TRY_CALLBACK_PATH}`;

/** @returns a new request, and its parameters in the order in which the page explains them. */
export function beginTrial(visit: Visit, clientId: string, scope: string): { href: string; parameters: [string, string][] } {
  const { issuer } = visit.app.config;
  const trial: Trial = { clientId, scope, verifier: randomSecret(), nonce: randomSecret() };
  const parameters: [string, string][] = [
    ['client_id', clientId],
    ['response_type', 'code'],
    ['redirect_uri', callbackOf(issuer)],
    ['scope', scope],
    ['state', seal(visit, 'request', trial)],
    ...(scope.split(' ').includes('openid') ? ([['nonce', trial.nonce]] as [string, string][]) : []),
    ['code_challenge', createHash('sha256').update(trial.verifier).digest('base64url')],
    ['code_challenge_method', 'S256'],
    // The server issues a refresh token only after fresh consent (OIDC Core section 11).
    ...(scope.split(' ').includes('offline_access') ? ([['prompt', 'consent']] as [string, string][]) : []),
  ];
  return { href: `${ROUTES.authorization}?${new URLSearchParams(parameters)}`, parameters };
}
