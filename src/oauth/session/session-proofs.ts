import type { Provider } from 'oidc-provider';
import { epochSeconds, MINUTE, systemClock } from '../../platform/clock.ts';
import { keepMembers, override, persist } from '../internals.ts';

/**
 * Owns what a session remembers beside the library's members. One is when its user last proved access to the account's mail, the other whether
 * the user set up a factor in it. Clients see neither. Which pages need a fresh proof is decided in pages/fresh-proof.ts.
 */

export type Proofs = {
  /** When the user of this session last proved access to the account's mail, in seconds since 1970. */
  mailTs?: number;
  /** The user set up a factor in this session. The session does not owe that factor, and its `acr` does not rise by it. */
  enrolled?: boolean;
};

type Session = Proofs & { amr?: string[] | undefined; persist(): Promise<unknown> };

/** A proof by mail counts as fresh for as long as the mail's link is valid. */
const FRESH_SECONDS = 15 * MINUTE;

/** A sign-in that a mail link proved carries this value in `amr` until it reaches the session. The session stores the time instead. */
export const BY_MAIL = 'mail';

/** @param leisureSeconds extra time for submitting a form that was shown while the proof was fresh. */
export function provedMailRecently({ mailTs }: Proofs, leisureSeconds = 0): boolean {
  return mailTs !== undefined && epochSeconds(systemClock.now()) - mailTs <= FRESH_SECONDS + leisureSeconds;
}

/** Whether the session proves more than a password: the user presented a factor in it, or read a mail recently. */
export function hasFreshProof(session: Proofs & { amr?: string[] | undefined }, leisureSeconds = 0): boolean {
  return session.amr?.includes('mfa') === true || provedMailRecently(session, leisureSeconds);
}

export async function rememberMailProof(session: Session): Promise<void> {
  Object.assign(session, { mailTs: epochSeconds(systemClock.now()) });
  await persist(session);
}

/** Enrolling a factor is not a second factor: anyone who knows the password could enrol one. */
export async function rememberEnrolled(session: Session): Promise<void> {
  Object.assign(session, { enrolled: true });
  await persist(session);
}

/** Makes sessions store both members: see internals.ts. Tested by test/flows/step-up.test.ts. */
export function keepProofs(provider: Provider): void {
  keepMembers(provider, 'Session', ['mailTs', 'enrolled']);
  override(
    provider,
    'Session.loginAccount',
    (loginAccount) =>
      function (this: Proofs & { accountId?: string; loginTs?: number }, login) {
        // A later step of one authorization passes on the sign-in of an earlier step.
        const same = login.accountId === this.accountId && login.loginTs === this.loginTs;
        loginAccount.call(this, login.amr ? { ...login, amr: login.amr.filter((word) => word !== BY_MAIL) } : login);
        if (!same) {
          delete this.mailTs;
          delete this.enrolled;
        }
        if (login.amr?.includes(BY_MAIL) && this.loginTs !== undefined) this.mailTs = this.loginTs;
      },
  );
}
