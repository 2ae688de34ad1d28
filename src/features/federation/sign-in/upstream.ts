import { LIMITS, limitRate, takeBack } from '../../../http/rate-limit.ts';
import { visitorOf } from '../../../http/visitor.ts';
import { displayName } from '../../../oauth/clients/display-name.ts';
import { write } from '../../../oauth/store/unit-of-work.ts';
import { emailProblem, normalizeEmail } from '../../../people/email-address.ts';
import { findAccount, findAccountByEmail, isAddressTaken } from '../../../people/store.ts';
import { finishSignIn } from '../../../sign-in/finish.ts';
import { showLogin } from '../../../sign-in/login.ts';
import { recordStepEvent } from '../../../sign-in/note.ts';
import { goTo, pathOf, type Step } from '../../../sign-in/step.ts';
import { type Details, differences } from '../details.ts';
import { findIdentity, type Identity, saveIdentity } from '../identities.ts';
import { findProvider, type UpstreamProvider } from '../providers.ts';
import { UpstreamError } from '../upstream-error.ts';
import { keepTokens } from '../vault.ts';
import { type Arrival, arrive, beginVisit } from '../visits.ts';
import { letWait, obstacle, type PendingIdentity } from './pending.ts';

/**
 * Owns sign-in with a provider: the redirect there, and the decision on the answer. A known user is signed in. An unknown one completes the
 * sign-up (sign-up.ts), or signs in to the account with the same address and thereby links it (link.ts). Every problem leads back to the
 * sign-in page with one sentence and changes nothing.
 */

/**
 * The problems that the sign-in page can show. `gone`: the provider or the visit no longer exists. `closed`: the account here is disabled.
 * `linked`, `taken`: see pending.ts.
 */
export type UpstreamProblem = UpstreamError['kind'] | 'gone' | 'closed' | 'linked' | 'taken';

const STATUS: Record<UpstreamProblem, number> = {
  refused: 401,
  unavailable: 503,
  untrustworthy: 502,
  gone: 400,
  closed: 401,
  linked: 409,
  taken: 409,
};

type Named = Pick<UpstreamProvider, 'id' | 'name'>;

const bound = ({ interaction }: Step) => `interaction ${interaction.uid}`;

/**
 * `GET upstream/:provider` sends the browser to the provider. It is a link, because our own `form-action` policy would block the redirect
 * of a form.
 */
export async function leave(step: Step): Promise<void> {
  const { ctx, app } = step;
  const { database, keyRing, config } = app;
  await limitRate(database, LIMITS.upstreamFromNetwork, visitorOf(ctx).address);
  const provider = await findProvider(database, String(ctx['params'].part));
  if (!provider?.settings.signIn) return refuse(step, 'gone');
  const visit = { issuer: config.issuer, provider, returnTo: pathOf(step, 'upstream/return'), bound: bound(step) };
  try {
    ctx.redirect(await beginVisit(database, keyRing, { ...visit, scopes: provider.settings.scopes, ...recency(step) }));
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    return fail(step, error, provider);
  }
  ctx.status = 303;
  ctx.set('Cache-Control', 'no-store');
}

/** A client that requires a recent sign-in wants the user to act, so the provider must not reuse its own session. */
function recency({ interaction: { params } }: Step): { maxAgeSeconds?: number } {
  if (
    String(params['prompt'] ?? '')
      .split(' ')
      .includes('login')
  )
    return { maxAgeSeconds: 0 };
  return params['max_age'] === undefined ? {} : { maxAgeSeconds: Number(params['max_age']) };
}

/** `GET upstream/return`: receives the answer that callback.ts forwards. */
export async function comeBack(step: Step): Promise<void> {
  const { ctx, app } = step;
  const { database, keyRing, config } = app;
  let arrival: Arrival | undefined;
  try {
    arrival = await arrive(database, keyRing, { issuer: config.issuer, query: ctx.querystring, bound: bound(step) });
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    return fail(step, error);
  }
  if (!arrival?.provider.settings.signIn) return refuse(step, 'gone', arrival?.provider);
  await takeBack(database, LIMITS.upstreamFromNetwork, visitorOf(ctx).address);
  const identity = await findIdentity(database, arrival.provider.id, arrival.subject);
  if (identity) return signIn(step, arrival, identity);
  const { provider, subject, details, tokens } = arrival;
  await receive(step, { providerId: provider.id, providerName: provider.name, subject, details, tokens });
}

/** Signs in a known user with one factor. Any further factor of the account is still required. */
async function signIn(step: Step, { provider, details, tokens }: Arrival, identity: Identity): Promise<void> {
  const { database, keyRing } = step.app;
  const account = await findAccount(database, identity.accountId);
  if (!account) return refuse(step, 'closed', provider, identity.accountId);
  const subject = `upstream identity ${identity.id}`;
  await write(database, { purpose: 'keep', subject, statement: saveIdentity({ ...identity, details }), once: true });
  const kept = keepTokens(keyRing, { providerId: provider.id, identityId: identity.id, grantId: null, tokens });
  await write(database, { purpose: 'keep', subject: `upstream token ${identity.id}`, statement: kept });
  const changed = differences(identity.details, details);
  // Store the provider's new details beside the account. Only the user changes the account's own address.
  if (changed.length)
    await recordStepEvent(step, { type: 'identity_details_changed', accountId: account.id, detail: { provider: provider.id, changed } });
  await finishSignIn(step, account, { method: 'upstream', provider: provider.id, amr: ['fed'] });
}

/** Handles an identity without an account. An address that the provider did not verify has no effect and reveals nothing. */
export async function receive(step: Step, pending: PendingIdentity): Promise<void> {
  const { database } = step.app;
  const provider = { id: pending.providerId, name: pending.providerName };
  const address = provenAddress(pending.details);
  const account = address === undefined ? undefined : await findAccountByEmail(database, address);
  if (address !== undefined && !account && (await isAddressTaken(database, address))) return refuse(step, 'closed', provider);
  const obstructed = await obstacle(step.app, pending, account?.id);
  if (obstructed) return refuse(step, obstructed, provider, account?.id);
  await letWait(step, account ? { ...pending, accountId: account.id } : pending);
  goTo(step, account ? 'login' : 'signup/upstream');
}

/** @returns the address that the provider verified, if it is valid. */
export function provenAddress({ email, emailVerified }: Details): string | undefined {
  return emailVerified && email !== undefined && !emailProblem(email) ? normalizeEmail(email) : undefined;
}

async function fail(step: Step, error: UpstreamError, provider: Named | undefined = error.provider): Promise<void> {
  const cause = error.cause as { code?: unknown } | undefined;
  // Log only the library's own error codes: codes of the provider's answer may hold anything.
  const known = typeof cause?.code === 'string' && /^[A-Z_]+$/.test(cause.code) ? ` ${cause.code}` : '';
  await refuse(step, error.kind, provider, undefined, known);
}

/** Shows the sign-in page with the problem. */
async function refuse(step: Step, problem: UpstreamProblem, provider?: Named, accountId?: string, why = ''): Promise<void> {
  const { ctx, interaction } = step;
  const detail = { method: 'upstream', problem, ...(provider ? { provider: provider.id } : undefined) };
  await recordStepEvent(step, { type: 'sign_in_failed', ...(accountId ? { accountId } : undefined), detail });
  ctx.state.logged = { ...ctx.state.logged, reason: `upstream ${provider?.id ?? 'unknown'} ${problem}${why}` };
  // The language switch leads to the page, not to the answer that was already used.
  Object.assign(ctx.state, { pagePath: `/interaction/${interaction.uid}`, pageQuery: '' });
  await showLogin(step, { upstream: { problem, provider: provider && displayName(provider.name, provider.id) } });
  ctx.status = STATUS[problem];
}
