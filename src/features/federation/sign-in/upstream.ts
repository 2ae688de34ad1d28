import { LIMITS, limitRate, takeBack } from '../../../http/rate-limit.ts';
import { visitorOf } from '../../../http/visitor.ts';
import { displayName } from '../../../oauth/clients/display-name.ts';
import { write } from '../../../oauth/store/unit-of-work.ts';
import { emailProblem, normalizeEmail } from '../../../people/email-address.ts';
import { findAccount, findAccountByEmail, isAddressTaken } from '../../../people/store.ts';
import { finishSignIn } from '../../../sign-in/finish.ts';
import { showLogin } from '../../../sign-in/login.ts';
import { note } from '../../../sign-in/note.ts';
import { goTo, pathOf, type Step } from '../../../sign-in/step.ts';
import { type Details, differences } from '../details.ts';
import { findIdentity, type Identity, saveIdentity } from '../identities.ts';
import { findProvider, type UpstreamProvider } from '../providers.ts';
import { UpstreamError } from '../upstream-error.ts';
import { keepTokens } from '../vault.ts';
import { type Arrival, arrive, beginVisit } from '../visits.ts';
import { letWait, obstacle, type PendingIdentity } from './pending.ts';

/**
 * Owns signing in by a provider: the way there, and what an arrival from there means. Who is known is signed in; who is not finishes signing
 * up (upstream-sign-up.ts), or signs in to the account that has the address and thereby links it (upstream-link.ts). Whatever goes
 * wrong leads back to the sign-in page, with one sentence, and nothing else has happened.
 */

/** What can be said there, each with a sentence. `gone`: the provider, or the visit. `closed`: the account here. `linked`, `taken`: see pending.ts. */
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

/** `GET upstream/:provider` sends the browser there. It is a link and no form, whose redirect our own policy would hold back. */
export async function leave(step: Step): Promise<void> {
  const { ctx, services } = step;
  const { database, keyRing, config } = services;
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

/** Whoever asks for a sign-in of a moment ago means one by the person, and not by what a browser remembers elsewhere. */
function recency({ interaction: { params } }: Step): { maxAgeSeconds?: number } {
  if (
    String(params['prompt'] ?? '')
      .split(' ')
      .includes('login')
  )
    return { maxAgeSeconds: 0 };
  return params['max_age'] === undefined ? {} : { maxAgeSeconds: Number(params['max_age']) };
}

/** `GET upstream/return`, where the provider's answer was carried on to. */
export async function comeBack(step: Step): Promise<void> {
  const { ctx, services } = step;
  const { database, keyRing, config } = services;
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

/** Whoever is known is signed in by it, with one factor: what else the account asks for is still owed. */
async function signIn(step: Step, { provider, details, tokens }: Arrival, identity: Identity): Promise<void> {
  const { database, keyRing } = step.services;
  const account = await findAccount(database, identity.accountId);
  if (!account) return refuse(step, 'closed', provider, identity.accountId);
  const subject = `upstream identity ${identity.id}`;
  await write(database, { purpose: 'keep', subject, statement: saveIdentity({ ...identity, details }), once: true });
  const kept = keepTokens(keyRing, { providerId: provider.id, identityId: identity.id, grantId: null, tokens });
  await write(database, { purpose: 'keep', subject: `upstream token ${identity.id}`, statement: kept });
  const changed = differences(identity.details, details);
  // What the provider says now is kept beside the account. The account's own address is the person's to change.
  if (changed.length)
    await note(step, { type: 'identity_details_changed', accountId: account.id, detail: { provider: provider.id, changed } });
  await finishSignIn(step, account, { method: 'upstream', provider: provider.id, amr: ['fed'] });
}

/** Somebody whom nobody here is known as. An address that the provider did not verify leads nowhere and tells nothing. */
export async function receive(step: Step, pending: PendingIdentity): Promise<void> {
  const { database } = step.services;
  const provider = { id: pending.providerId, name: pending.providerName };
  const address = provenAddress(pending.details);
  const account = address === undefined ? undefined : await findAccountByEmail(database, address);
  if (address !== undefined && !account && (await isAddressTaken(database, address))) return refuse(step, 'closed', provider);
  const obstructed = await obstacle(step.services, pending, account?.id);
  if (obstructed) return refuse(step, obstructed, provider, account?.id);
  await letWait(step, account ? { ...pending, accountId: account.id } : pending);
  goTo(step, account ? 'login' : 'signup/upstream');
}

/** The address that a provider vouches for, if it is one. */
export function provenAddress({ email, emailVerified }: Details): string | undefined {
  return emailVerified && email !== undefined && !emailProblem(email) ? normalizeEmail(email) : undefined;
}

async function fail(step: Step, error: UpstreamError, provider: Named | undefined = error.provider): Promise<void> {
  const cause = error.cause as { code?: unknown } | undefined;
  // The library's own words for what is wrong: those of an answer may hold anything.
  const known = typeof cause?.code === 'string' && /^[A-Z_]+$/.test(cause.code) ? ` ${cause.code}` : '';
  await refuse(step, error.kind, provider, undefined, known);
}

/** The sign-in page, with a sentence. */
async function refuse(step: Step, problem: UpstreamProblem, provider?: Named, accountId?: string, why = ''): Promise<void> {
  const { ctx, interaction } = step;
  const detail = { method: 'upstream', problem, ...(provider ? { provider: provider.id } : undefined) };
  await note(step, { type: 'sign_in_failed', ...(accountId ? { accountId } : undefined), detail });
  ctx.state.logged = { ...ctx.state.logged, reason: `upstream ${provider?.id ?? 'unknown'} ${problem}${why}` };
  // A switch of language leads to the page, and not to an answer that was taken.
  Object.assign(ctx.state, { pagePath: `/interaction/${interaction.uid}`, pageQuery: '' });
  await showLogin(step, { upstream: { problem, provider: provider && displayName(provider.name, provider.id) } });
  ctx.status = STATUS[problem];
}
