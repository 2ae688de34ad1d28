import type { Context } from 'koa';
import { assertOurForm } from '../../../http/csrf.ts';
import { LIMITS, limitRate } from '../../../http/rate-limit.ts';
import { seeOther } from '../../../http/see-other.ts';
import { hasFreshProof } from '../../../oauth/session/session-proofs.ts';
import type { SignedInAt } from '../../../pages/door.ts';
import type { SignedIn } from '../../../pages/first-party.ts';
import { signedIn } from '../../../pages/first-party.ts';
import { sentToProve } from '../../../pages/fresh-proof.ts';
import { alarm, csrfSubject, type OwnServices, RECENT_SECONDS, TO_FILL_IN_SECONDS, told, type Visit } from '../../../pages/own-pages.ts';
import { ownSession } from '../../../pages/own-session.ts';
import type { Statement } from '../../../platform/database.ts';
import { AppError } from '../../../platform/errors.ts';
import { differences } from '../details.ts';
import { identityAt } from '../identities.ts';
import { linkIdentity } from '../linking.ts';
import { findProvider, type UpstreamProvider } from '../providers.ts';
import { UpstreamError } from '../upstream-error.ts';
import { type Arrival, arrive, beginVisit } from '../visits.ts';

/**
 * Owns the way of a person who is signed in to a provider and back, by which their account there is linked to theirs here. That they come
 * back in the session that they left from is the proof; what the provider tells of them links nothing.
 */

const LINKS_PATH = '/account/links';
const RETURN_PATH = `${LINKS_PATH}/return`;

/** Why nothing was linked. The address is anyone's to write, so that it names one of these and says nothing itself. */
export const LINK_PROBLEMS: Record<string, string | undefined> = Object.assign(Object.create(null), {
  taken: 'account.links.taken',
  another: 'account.links.another',
  refused: 'account.links.refused',
  unavailable: 'account.links.unavailable',
  untrustworthy: 'account.links.untrustworthy',
  gone: 'account.links.gone',
});

type Problem = 'taken' | 'another' | UpstreamError['kind'] | 'gone';

/** What the way begins with fits this session, and nobody else can write it: a stranger's account must not come to be somebody's way in. */
export const linkSubject = (door: SignedInAt): string => `link ${csrfSubject(door)}`;

const boundTo = ({ session, account }: SignedIn): string => `account ${session.uid} ${account.id}`;

/**
 * Sends the person to a provider. A link and not a form leads here: browsers hold whatever a form leads to, however many redirects later,
 * to the page's `form-action`, and where the provider sends people is not known until it is asked.
 */
export async function leaveToLink(ctx: Context, services: OwnServices): Promise<void> {
  const door = await signedIn(ctx, services, { maxAgeSeconds: RECENT_SECONDS + TO_FILL_IN_SECONDS });
  if (!door) return;
  const { database, config, keyRing } = services;
  const wish = ctx.query['wish'];
  // From signing in again, which leaves it behind.
  if (wish === undefined) return seeOther(ctx, `${LINKS_PATH}?again`);
  assertOurForm(ctx, config.cookieKeys, linkSubject(door), typeof wish === 'string' ? wish : null, config.issuer);
  const provider = await findProvider(database, String(ctx['params'].provider));
  if (!provider) throw new AppError('not_found', { status: 404, reason: 'unknown_provider' });
  const isNew = !(await identityAt(database, door.account.id, provider.id));
  if (isNew && provider.settings.signIn && sentToProve(ctx, door.session, 'links')) return;
  await limitRate(database, LIMITS.linksOfAccount, door.account.id);
  try {
    const visit = { issuer: config.issuer, provider, returnTo: RETURN_PATH, bound: boundTo(door), scopes: provider.settings.scopes };
    seeOther(ctx, await beginVisit(database, keyRing, visit));
  } catch (error) {
    fail(ctx, problemOf(error), error);
  }
}

/** Takes in what the provider answered. */
export async function returnToLink(ctx: Context, services: OwnServices): Promise<void> {
  const door = await signedIn(ctx, services);
  if (!door) return;
  const { database, config, keyRing } = services;
  let arrival: Arrival | undefined;
  try {
    arrival = await arrive(database, keyRing, { issuer: config.issuer, query: ctx.querystring, bound: boundTo(door) });
  } catch (error) {
    return fail(ctx, problemOf(error), error);
  }
  const problem = arrival ? await link({ ...door, ctx, services }, arrival) : 'gone';
  if (problem) return fail(ctx, problem);
  seeOther(ctx, `${LINKS_PATH}?done`);
}

/** @returns why it was not linked; nothing was changed then. */
async function link(visit: Visit, { provider, ...brought }: Arrival): Promise<Problem | undefined> {
  const outcome = await linkIdentity(visit.services, {
    accountId: visit.account.id,
    brought: { ...brought, providerId: provider.id },
    // There was a link when they left, which needs no proof to be refreshed, and there is none any more.
    mayLink: () => !provider.settings.signIn || hasFreshProof(ownSession(visit), TO_FILL_IN_SECONDS),
    along: (before) => (before ? news(visit, provider, differences(before.details, brought.details)) : firstNews(visit, provider)),
  });
  if (outcome === 'linked' || outcome === 'kept') return undefined;
  return outcome === 'refused' ? 'gone' : outcome;
}

/** Of a link that is made. */
function firstNews(visit: Visit, { id, name }: UpstreamProvider): Statement[] {
  const about = { provider: name, change: 'linked' as const };
  return [told(visit, 'identity_linked', { detail: { provider: id } }), ...alarm(visit, 'identity_changed', 'identity_linked', about)];
}

/** Of one that was there already. */
const news = (visit: Visit, { id }: UpstreamProvider, changed: string[]): Statement[] =>
  changed.length ? [told(visit, 'identity_details_changed', { detail: { provider: id, changed } })] : [];

/** @throws what is no fault of the provider's. */
function problemOf(error: unknown): Problem {
  if (error instanceof UpstreamError) return error.kind;
  throw error;
}

function fail(ctx: Context, problem: Problem, error?: unknown): void {
  // What a provider wrote stays out of the log, but for an error code.
  const code = error instanceof UpstreamError && /^[a-z_]{1,40}$/.test(error.code ?? '') ? ` ${error.code}` : '';
  ctx.state.logged = { ...ctx.state.logged, reason: `not_linked ${problem}${code}` };
  seeOther(ctx, `${LINKS_PATH}?problem=${problem}`);
}
