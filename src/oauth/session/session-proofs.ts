import type { Provider } from 'oidc-provider';
import { epochSeconds, MINUTE, systemClock } from '../../platform/clock.ts';
import { keepMembers, override, persist } from '../internals.ts';

/**
 * Owns what a browser's session remembers beside what the library keeps of it: when its user last read a mail to the account's address, and that
 * the user set up a factor in it. Neither is told to clients. Does not decide which pages need a fresh proof: see own-pages/fresh-proof.ts.
 */

export type Proofs = {
  /** When the user of this session last proved to read the account's mail, in seconds since 1970. */
  mailTs?: number;
  /** The user set up a factor in this session. The session does not owe that factor, and is no stronger by it. */
  enrolled?: boolean;
};

type Session = Proofs & { amr?: string[] | undefined; persist(): Promise<unknown> };

/** How long a proof by mail counts as fresh: as long as the proof itself could be given. */
const FRESH_SECONDS = 15 * MINUTE;

/** A sign-in that a mail proved travels to the session with this word among its `amr`. The session keeps the time instead of the word. */
export const BY_MAIL = 'mail';

/** @param leisureSeconds added for a form that was shown in time. */
export function provedMailRecently({ mailTs }: Proofs, leisureSeconds = 0): boolean {
  return mailTs !== undefined && epochSeconds(systemClock.now()) - mailTs <= FRESH_SECONDS + leisureSeconds;
}

/** Whether somebody who knows no more than the password could not have this session: a factor was shown in it, or a mail read a moment ago. */
export function hasFreshProof(session: Proofs & { amr?: string[] | undefined }, leisureSeconds = 0): boolean {
  return session.amr?.includes('mfa') === true || provedMailRecently(session, leisureSeconds);
}

export async function rememberMailProof(session: Session): Promise<void> {
  Object.assign(session, { mailTs: epochSeconds(systemClock.now()) });
  await persist(session);
}

/** Enrolling is not by itself a second factor: whoever knows a password could do it too. */
export async function rememberEnrolled(session: Session): Promise<void> {
  Object.assign(session, { enrolled: true });
  await persist(session);
}

/** Has sessions remember both: see internals.ts; test/flows/step-up.test.ts holds it. */
export function keepProofs(provider: Provider): void {
  keepMembers(provider, 'Session', ['mailTs', 'enrolled']);
  override(
    provider,
    'Session.loginAccount',
    (loginAccount) =>
      function (this: Proofs & { accountId?: string; loginTs?: number }, login) {
        // A later step of one authorization hands on the sign-in of an earlier one.
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
