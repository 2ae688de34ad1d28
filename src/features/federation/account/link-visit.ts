import type { Context } from 'koa';
import type { Feature } from '../../../feature.ts';
import { assertOurForm } from '../../../http/csrf.ts';
import { LIMITS, limitRate } from '../../../http/rate-limit.ts';
import { seeOther } from '../../../http/redirects.ts';
import type { App } from '../../../oauth/app.ts';
import { hasFreshProof } from '../../../oauth/session/session-proofs.ts';
import type { SignedInAt } from '../../../pages/door.ts';
import type { SignedIn } from '../../../pages/first-party.ts';
import { signedIn } from '../../../pages/first-party.ts';
import { sentToProve } from '../../../pages/fresh-proof.ts';
import { alarm, csrfSubject, RECENT_SECONDS, recordOwnEvent, TO_FILL_IN_SECONDS, type Visit } from '../../../pages/own-pages.ts';
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
 * Owns the visit of a signed-in user to a provider that links the user's account there to the account here. The proof is that the user
 * returns in the same session. What the provider says about the user links nothing.
 */

const LINKS_PATH = '/account/links';
const RETURN_PATH = `${LINKS_PATH}/return`;

/** Why no link was made. Anyone can write this parameter, so it selects one of these messages and carries no text itself. */
export const LINK_PROBLEMS: Record<string, string | undefined> = Object.assign(Object.create(null), {
  taken: 'account.links.taken',
  another: 'account.links.another',
  refused: 'account.links.refused',
  unavailable: 'account.links.unavailable',
  untrustworthy: 'account.links.untrustworthy',
  gone: 'account.links.gone',
});

type LinkProblem = 'taken' | 'another' | UpstreamError['kind'] | 'gone';

/**
 * Binds the start of a visit to this session. No other party can create the token, so an attacker cannot link an upstream account to it.
 */
export const linkSubject = (door: SignedInAt): string => `link ${csrfSubject(door)}`;

const boundTo = ({ session, account }: SignedIn): string => `account ${session.uid} ${account.id}`;

/**
 * Sends the user to a provider. The page uses a link, because browsers apply the page's `form-action` to every redirect after a form. The
 * provider's address is unknown until discovery.
 */
export async function leaveToLink(ctx: Context, app: App<Feature>): Promise<void> {
  const door = await signedIn(ctx, app, { maxAgeSeconds: RECENT_SECONDS + TO_FILL_IN_SECONDS });
  if (!door) return;
  const { database, config, keyRing } = app;
  const wish = ctx.query['wish'];
  // The user comes from signing in again, which drops the token.
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

/** Handles the provider's answer. */
export async function returnToLink(ctx: Context, app: App<Feature>): Promise<void> {
  const door = await signedIn(ctx, app);
  if (!door) return;
  const { database, config, keyRing } = app;
  let arrival: Arrival | undefined;
  try {
    arrival = await arrive(database, keyRing, { issuer: config.issuer, query: ctx.querystring, bound: boundTo(door) });
  } catch (error) {
    return fail(ctx, problemOf(error), error);
  }
  const problem = arrival ? await link({ ...door, ctx, app }, arrival) : 'gone';
  if (problem) return fail(ctx, problem);
  seeOther(ctx, `${LINKS_PATH}?done`);
}

/** @returns why no link was made, in which case nothing changed; undefined on success. */
async function link(visit: Visit, { provider, ...brought }: Arrival): Promise<LinkProblem | undefined> {
  const outcome = await linkIdentity(visit.app, {
    accountId: visit.account.id,
    brought: { ...brought, providerId: provider.id },
    // A link existed when the user left, and refreshing it needs no proof. If it was deleted in the meantime, a new link does need one.
    mayLink: () => !provider.settings.signIn || hasFreshProof(ownSession(visit), TO_FILL_IN_SECONDS),
    along: (before) => (before ? news(visit, provider, differences(before.details, brought.details)) : firstNews(visit, provider)),
  });
  if (outcome === 'linked' || outcome === 'kept') return undefined;
  return outcome === 'refused' ? 'gone' : outcome;
}

/** For a new link. */
function firstNews(visit: Visit, { id, name }: UpstreamProvider): Statement[] {
  const about = { provider: name, change: 'linked' as const };
  return [
    recordOwnEvent(visit, 'identity_linked', { detail: { provider: id } }),
    ...alarm(visit, 'identity_changed', 'identity_linked', about),
  ];
}

/** For a link that already existed. */
const news = (visit: Visit, { id }: UpstreamProvider, changed: string[]): Statement[] =>
  changed.length ? [recordOwnEvent(visit, 'identity_details_changed', { detail: { provider: id, changed } })] : [];

/** @throws any error that is not the provider's. */
function problemOf(error: unknown): LinkProblem {
  if (error instanceof UpstreamError) return error.kind;
  throw error;
}

function fail(ctx: Context, problem: LinkProblem, error?: unknown): void {
  // The log takes only an error code from the provider, no free text.
  const code = error instanceof UpstreamError && /^[a-z_]{1,40}$/.test(error.code ?? '') ? ` ${error.code}` : '';
  ctx.state.logged = { ...ctx.state.logged, reason: `not_linked ${problem}${code}` };
  seeOther(ctx, `${LINKS_PATH}?problem=${problem}`);
}
