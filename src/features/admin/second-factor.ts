import { ACR, isWeaker } from '../../oauth/session/strength.ts';
import { sendToStepUp } from '../../pages/first-party.ts';
import type { Admission, Visit } from '../../pages/own-pages.ts';
import { hasFactor } from '../../people/factors.ts';
import type { Database } from '../../platform/database.ts';
import { AppError } from '../../platform/errors.ts';
import { factorGraceDays } from './operators-factors.ts';

/**
 * Owns that nobody runs this place by a password alone: an operator shows two factors, at the pages and at the API. The first admin of a place has
 * some days to set the second one up, and every page says how many are left.
 */

/** What an operator's sign-in must reach, as clients ask for it (RFC 9470 section 4). */
export const OPERATOR_ACR = [ACR.twoFactors, ACR.passkey];

/** @param acr what the sign-in reached; unknown counts as a password. */
export const showsTwoFactors = (acr: string | undefined): boolean => !isWeaker({ acr }, OPERATOR_ACR);

/** Whether an operator who showed one factor alone may act all the same. */
export const isInGrace = async (database: Database, accountId: string): Promise<boolean> =>
  (await factorGraceDays(database, accountId)) > 0;

/** For a page of an operator: one who has a factor is sent to show it. @throws AppError 403 for one who owes the second factor: the page says where it is set up. */
export async function insistOnTwoFactors({ ctx, account, session, services: { database, config } }: Visit): Promise<Admission> {
  if (showsTwoFactors(session.acr)) return undefined;
  // Who set one up since they signed in has it to show.
  if (await hasFactor(database, account.id)) {
    sendToStepUp(ctx, config.issuer, ACR.twoFactors);
    return 'sent away';
  }
  const days = await factorGraceDays(database, account.id);
  const href = `${config.issuer}/account/factors`;
  if (!days) {
    ctx.state.factorsAt = href;
    throw new AppError('operator_factor', { status: 403, reason: 'operator_without_factor' });
  }
  ctx.state.factorGrace = { days, href };
  return undefined;
}
