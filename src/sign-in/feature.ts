import type { Context } from 'koa';
import type { App } from '../oauth/app.ts';
import type { Statement } from '../platform/database.ts';
import type { Page, PromptPages, Step } from './step.ts';

/** What a feature may add to signing in. Each member is optional. src/feature.ts combines the parts of the contract. */

/** The account that a step is about to sign in, with the proofs that the user gave: see finish.ts. */
export type Login = { accountId: string; amr?: string[] | undefined; acr?: string | undefined };

/** What a sign-up carries besides a name and an address, such as an account at an identity provider. */
export type Brought = {
  /** How the user proved it: authentication methods of RFC 8176. */
  amr: string[];
  /** What the confirmation page shows about it. */
  shown: Record<string, string>;
  /** @throws AppError when another account already has it. */
  assertFree(): Promise<void>;
  /** @returns the statements that give it to the new account. The first one must change a row. */
  writes(accountId: string): Statement[];
};

export type Verdict = { ok: true } | { ok: false; reason: 'wrong' | 'reused' };

export type SignInFeature = {
  /** Ways to sign in: pages below the interaction, by path. */
  signInPages?: Record<string, Page>;
  /** Pages of a prompt that the feature adds, or further pages of an existing prompt. */
  promptPages?: Record<string, PromptPages>;
  /** @returns what the sign-in and sign-up pages show besides their form: see views/interaction/login.eta. */
  offers?(step: Step): Promise<Record<string, unknown>>;
  /** Discards what an offer brought when the user leaves it. */
  leaveOffer?(step: Step): Promise<void>;
  /** Runs when a sign-in is about to end its step. @returns members to store in the interaction's result. */
  afterSignIn?(step: Step, login: Login): Promise<Record<string, unknown>>;
  /** @returns the page on which this sign-up began, unless it is the plain sign-up page. */
  signUpPage?(step: Step): string | undefined;
  /** @param payload the payload of the sign-up's proof. */
  broughtToSignUp?(from: { ctx: Context; app: App<SignInFeature> }, payload: unknown): Brought | undefined;
  /** @returns what the second factor page shows for a user who has this kind of factor. */
  factorOffer?(step: Step): Record<string, unknown>;
  /** Verifies a code of an authenticator app. */
  verifyFactorCode?(app: App<SignInFeature>, accountId: string, code: string): Promise<Verdict>;
};
