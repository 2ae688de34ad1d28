import type { Context } from 'koa';
import type { Statement } from '../platform/database.ts';
import type { Page, PromptPages, Services, Step } from './step.ts';

/** What a feature may add to signing in. Each member is optional; src/feature.ts puts the parts of the contract together. */

/** With what somebody is about to be signed in: see finish.ts. */
export type Login = { accountId: string; amr?: string[] | undefined; acr?: string | undefined };

/** What somebody brings to a sign-up beside a name and an address, such as an account at a provider. */
export type Brought = {
  /** How they proved it, in the words of RFC 8176. */
  amr: string[];
  /** What the page that confirms the sign-up tells of it. */
  shown: Record<string, string>;
  /** @throws AppError when the new account cannot have it any more. */
  assertFree(): Promise<void>;
  /** Gives it to the new account. The first must change a row. */
  writes(accountId: string): Statement[];
};

export type Verdict = { ok: true } | { ok: false; reason: 'wrong' | 'reused' };

export type SignInFeature = {
  /** Ways to be signed in: pages below the interaction, by their path. */
  signInPages?: Record<string, Page>;
  /** The pages of a prompt that the feature added, or more pages of one that is there. */
  promptPages?: Record<string, PromptPages>;
  /** What the sign-in page and the sign-up page show beside their form: see views/interaction/login.eta. */
  offers?(step: Step): Promise<Record<string, unknown>>;
  /** Forgets what an offer brought, when the user leaves it. */
  leaveOffer?(step: Step): Promise<void>;
  /** Acts on a sign-in that is about to end its step. @returns what the interaction's result keeps of it. */
  afterSignIn?(step: Step, login: Login): Promise<Record<string, unknown>>;
  /** The page that this sign-up began on, if it is not the plain one. */
  signUpPage?(step: Step): string | undefined;
  /** @param payload of the sign-up's proof. */
  broughtToSignUp?(from: { ctx: Context; services: Services }, payload: unknown): Brought | undefined;
  /** What the page for a further factor shows for a user who has this kind of factor. */
  factorOffer?(step: Step): Record<string, unknown>;
  /** Verifies the code of an authenticator app. */
  verifyFactorCode?(services: Services, accountId: string, code: string): Promise<Verdict>;
};
