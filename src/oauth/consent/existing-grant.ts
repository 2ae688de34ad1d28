import type { Grant, KoaContextWithOIDC } from 'oidc-provider';
import { recordEvent } from '../../audit/events.ts';
import { visitorOf } from '../../http/visitor.ts';
import type { Database } from '../../platform/database.ts';
import { OWN_PAGES } from '../clients/first-party.ts';
import { endTokensBeyond, grantIdFor, keepAnswers } from '../store/decisions.ts';
import { lastGrant, newestGrant } from '../store/grants.ts';
import { write } from '../store/unit-of-work.ts';
import { ttl } from '../tokens/token-policy.ts';
import { type Decision, settle } from './decision.ts';

/**
 * Finds what a user has already allowed a client, in this browser or in another one. Consent belongs to the user and not to a browser,
 * so the user is asked once. A new decision is stored here too, in one unit of work with the code that follows.
 */
export function createLoadExistingGrant(database: Database) {
  return async (ctx: KoaContextWithOIDC): Promise<Grant | undefined> => {
    const { session, client, result } = ctx.oidc;
    if (!session?.accountId || !client) return undefined;
    const grant = await decidedGrant(database, ctx, result?.['consent'] as Decision | undefined, await standingGrant(database, ctx));
    // Signing out of one browser withdraws no consent. Tokens that end with the session still end with it.
    if (grant) {
      session.ensureClientContainer(client.clientId);
      session.authorizationFor(client.clientId).persistsLogout = true;
    }
    return grant;
  };
}

async function standingGrant(database: Database, { oidc: { session, client, provider } }: KoaContextWithOIDC): Promise<Grant | undefined> {
  const [accountId, clientId] = [String(session?.accountId), String(client?.clientId)];
  const known = session?.grantIdFor(clientId);
  const here = known ? await provider.Grant.find(known) : undefined;
  if (here && here.accountId === accountId && here.clientId === clientId) return here;
  const elsewhere = await newestGrant(database, accountId, clientId);
  return elsewhere ? provider.Grant.find(elsewhere) : undefined;
}

async function decidedGrant(
  database: Database,
  ctx: KoaContextWithOIDC,
  decision: Decision | undefined,
  standing: Grant | undefined,
): Promise<Grant | undefined> {
  const { session, client } = ctx.oidc;
  const [accountId, clientId] = [String(session?.accountId), String(client?.clientId)];
  // This server's own pages need no consent to know who is signed in.
  if (OWN_PAGES.includes(clientId))
    return standing ?? keepDecision(database, ctx, { accountId, answers: [{ allowed: ['openid'], declined: [] }] }, undefined);
  if (decision?.accountId !== accountId || decision.kept) return standing;
  const grant = await keepDecision(database, ctx, decision, standing);
  const scopeNames = (which: 'allowed' | 'declined') =>
    decision.answers.flatMap((answer) => answer[which].map((name) => (answer.resource ? `${answer.resource} ${name}` : name)));
  const claims = decision.answers.flatMap((answer) => answer.claims ?? []);
  await write(database, {
    purpose: 'keep',
    subject: `AuditEvent consent ${grant.jti}`,
    statement: recordEvent(visitorOf(ctx), {
      type: 'consent_given',
      accountId,
      clientId,
      detail: { scopes: scopeNames('allowed'), declined: scopeNames('declined'), ...(claims.length ? { claims } : undefined) },
    }),
  });
  // If another step precedes the code, the interaction carries the decision on. This mark prevents storing it twice.
  decision.kept = true;
  return grant;
}

async function keepDecision(
  database: Database,
  { oidc: { provider, client } }: KoaContextWithOIDC,
  { accountId, answers }: Decision,
  standing: Grant | undefined,
): Promise<Grant> {
  const clientId = String(client?.clientId);
  const grant = standing ?? new provider.Grant({ accountId, clientId });
  grant.jti ??= grantIdFor(accountId, clientId, await lastGrant(database, accountId, clientId));
  const withdrawn = settle(grant, answers);
  // Tokens are locked before their grant. Every statement uses this order, so that two cannot deadlock.
  if (withdrawn.length) await endTokensBeyond(database, grant.jti, withdrawn);
  await keepAnswers(database, { grantId: grant.jti, accountId, clientId, answers, lifeSeconds: ttl.Grant });
  return grant;
}
