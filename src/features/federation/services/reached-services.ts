import type { Context } from 'koa';
import { recordEvent } from '../../../audit/events.ts';
import { errorAsJson, RETRY_AFTER_SECONDS } from '../../../http/boundary.ts';
import { LIMITS, limitRate } from '../../../http/rate-limit.ts';
import { visitorOf } from '../../../http/visitor.ts';
import type { App } from '../../../oauth/app.ts';
import { grantedScopes } from '../../../oauth/consent/decision.ts';
import { write } from '../../../oauth/store/unit-of-work.ts';
import { AppError } from '../../../platform/errors.ts';
import { timeOrderedId } from '../../../platform/secrets.ts';
import { findProvider, type UpstreamProvider } from '../providers.ts';
import { reach, standing } from '../vault.ts';
import type { Holder } from './service-holder.ts';
import { mayReach, reachOf } from './service-scopes.ts';

/**
 * Owns the answer to a client that wants to act for a user at an upstream provider. Both token-exchange.ts and
 * features/federation/endpoints/session-token.ts use it, so the rules and the answers are the same.
 */

export type Wish = {
  /** The provider's id. */
  audience: string;
  /** Scopes of ours, `provider:service`. Without it: everything that the user allowed there. */
  scope: string | undefined;
  /** A token that we returned earlier and that the provider no longer accepts. */
  refusedToken: string | undefined;
};

type ReachingApp = Pick<App, 'config' | 'database' | 'keyRing'>;

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

/**
 * Answers with the user's token at the provider, or says what is missing. The audit event is part of the same unit of work as the answer.
 */
export async function answerWithToken(ctx: Context, app: ReachingApp, holder: Holder, wish: Wish): Promise<void> {
  const { database, keyRing } = app;
  const { client, account, grant } = holder;
  const provider = mayReach(client, wish.audience) ? await findProvider(database, wish.audience) : undefined;
  if (!provider) return refuse(ctx, 400, 'invalid_target', 'there is no such provider, or this client may not act for people there');
  const asked = wish.scope?.split(' ') ?? reachOf(provider, holder.scopes).scopes;
  const { scopes, upstreamScopes: needed } = reachOf(
    provider,
    asked.filter((scope) => holder.scopes.includes(scope)),
  );
  if (!grant || !asked.length || scopes.length !== new Set(asked).size)
    return refuse(
      ctx,
      400,
      'invalid_scope',
      `the person has not allowed this client ${wish.scope ? 'all of that' : 'anything'} at this provider`,
    );
  const tooMany = await tooOften(app, `${grant.jti} ${provider.id}`);
  if (tooMany) return refuse(ctx, 429, tooMany.code, errorAsJson(tooMany.code).error_description, {}, String(tooMany.retryAfterSeconds));
  const allowed = reachOf(provider, grantedScopes(grant, undefined)).upstreamScopes;
  const whose = { accountId: account.id, grantId: grant.jti, needed, allowed };
  const reached = await reach(database, keyRing, provider, {
    ...whose,
    ...(wish.refusedToken === undefined ? undefined : { refusedToken: wish.refusedToken }),
  });
  switch (reached.kind) {
    case 'interaction_required':
      return refuse(ctx, 400, 'interaction_required', DESCRIPTIONS[reached.reason], {
        interaction_uri: interactionUri(app, provider, holder),
      });
    case 'unavailable':
      return refuse(ctx, 503, 'temporarily_unavailable', 'the provider does not answer at the moment', {}, RETRY_AFTER_SECONDS);
    case 'token': {
      const detail = { provider: provider.id, scopes };
      const event = { type: 'service_reached' as const, accountId: account.id, clientId: String(client.clientId), detail };
      const subject = `AuditEvent service ${timeOrderedId()}`;
      await write(database, { purpose: 'issue', subject, statement: recordEvent(visitorOf(ctx), event) });
      ctx.set('Cache-Control', 'no-store');
      ctx.body = {
        access_token: reached.accessToken,
        issued_token_type: ACCESS_TOKEN,
        token_type: 'Bearer',
        ...(reached.expiresInSeconds === undefined ? undefined : { expires_in: reached.expiresInSeconds }),
        ...(reached.scope ? { scope: reached.scope } : undefined),
      };
    }
  }
}

const DESCRIPTIONS = {
  not_linked: 'the person has not linked an account at this provider: send them to interaction_uri',
  not_connected: 'the provider has not given what this needs: send the person to interaction_uri',
  ended: 'the provider gives nothing for this person any more: send them to interaction_uri',
};

/** @returns where a client sends a user who must act. From there the user goes to the provider and returns connected. */
const interactionUri = ({ config }: ReachingApp, provider: UpstreamProvider, { client }: Holder): string =>
  `${config.issuer}/account/links/${provider.id}/connect?${new URLSearchParams({ client_id: String(client.clientId) })}`;

/** Limits the requests for one user's token: a client that stores a token until it expires asks about once an hour. */
async function tooOften({ database }: ReachingApp, key: string): Promise<AppError | undefined> {
  try {
    await limitRate(database, LIMITS.serviceReached, key);
    return undefined;
  } catch (error) {
    if (error instanceof AppError && error.status === 429) return error;
    throw error;
  }
}

function refuse(ctx: Context, status: number, error: string, description: string, more: object = {}, retryAfter?: string): void {
  ctx.status = status;
  ctx.set('Cache-Control', 'no-store');
  if (retryAfter) ctx.set('Retry-After', retryAfter);
  ctx.body = { error, error_description: description, ...more };
  ctx.state.logged = { ...ctx.state.logged, error, reason: description };
}

/**
 * A provider at which a client may act for users, with the scopes this user allowed. `interaction_uri` is present when the user must act
 * first.
 */
export type ListedService = { provider: string; name: string; scopes: string[]; connected: boolean; interaction_uri?: string };

/** @returns what a client can reach for a user, in the order in which users see providers. Reads only the database. */
export async function listServices(app: ReachingApp, holder: Holder): Promise<ListedService[]> {
  const { client, account, grant } = holder;
  const ids = Array.isArray(client['services']) ? client['services'].map(String).filter((id) => mayReach(client, id)) : [];
  const providers = await Promise.all(ids.map((id) => findProvider(app.database, id)));
  return Promise.all(
    providers
      .filter((provider) => provider !== undefined)
      .map(async (provider) => {
        const { scopes, upstreamScopes: needed } = reachOf(provider, holder.scopes);
        const allowed = reachOf(provider, grantedScopes(grant, undefined)).upstreamScopes;
        const whose = { accountId: account.id, providerId: provider.id, grantId: grant?.jti ?? '', needed, allowed };
        const connected = scopes.length > 0 && (await standing(app.database, whose)) === 'ready';
        const missing = scopes.length > 0 && !connected ? { interaction_uri: interactionUri(app, provider, holder) } : undefined;
        return { provider: provider.id, name: provider.name, scopes, connected, ...missing };
      }),
  );
}
