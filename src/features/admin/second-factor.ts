import { ACR, isWeaker } from '../../oauth/session/strength.ts';
import { sendToStepUp } from '../../pages/first-party.ts';
import type { Admission, Visit } from '../../pages/own-pages.ts';
import { hasFactor } from '../../people/factors.ts';
import type { Database } from '../../platform/database.ts';
import { AppError } from '../../platform/errors.ts';
import { factorGraceDays } from './operators-factors.ts';

/**
 * Owns the rule that operators need two factors, on the pages and in the API. The first admin has some days to set up the second one. Until
 * then, every page shows how many are left.
 */

/** The acr values that an operator's sign-in must reach (RFC 9470 section 4). */
export const OPERATOR_ACR = [ACR.twoFactors, ACR.passkey];

/** @param acr what the sign-in reached; an unknown value counts as a password. */
export const showsTwoFactors = (acr: string | undefined): boolean => !isWeaker({ acr }, OPERATOR_ACR);

/** @returns whether an operator with one factor may still act. */
export const isInGrace = async (database: Database, accountId: string): Promise<boolean> =>
  (await factorGraceDays(database, accountId)) > 0;

/**
 * Admits an operator's page. An operator who has a factor must prove it first. @throws AppError 403 for an operator without one after the
 * deadline; its page links to the setup.
 */
export async function insistOnTwoFactors({ ctx, account, session, app: { database, config } }: Visit): Promise<Admission> {
  if (showsTwoFactors(session.acr)) return undefined;
  // The user set up a factor after signing in and must prove it now.
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
