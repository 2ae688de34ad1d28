import { errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import type { ProtocolApp } from '../../../oauth/feature.ts';
import { isStorable } from '../../../platform/database.ts';
import { answerWithToken } from './reached-services.ts';
import { holderOfToken } from './service-holder.ts';
import { TOKEN_EXCHANGE } from './service-scopes.ts';

/**
 * Owns the exchange of our access token for the same user's token at an upstream provider (RFC 8693). A client presents its own token and
 * names the provider as `audience`. It acts as itself: there is no delegation, so there is no actor.
 */

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

// Unsupported parameters are listed too. The library drops unlisted ones, and the client would not learn why they had no effect.
const PARAMETERS = [
  'subject_token',
  'subject_token_type',
  'audience',
  'scope',
  'requested_token_type',
  'refused_token',
  'resource',
  'actor_token',
  'actor_token_type',
];

/** The length of the longest upstream token that we store, in characters. Our own tokens are shorter. */
const LONGEST_PARAMETER = 16 * 1024;

type Parameters = Record<string, string | undefined>;

/** The checks of the request, in order, before any token is read. Each returns what is wrong. */
const checks: ((parameters: Parameters, ctx: KoaContextWithOIDC) => string | undefined)[] = [
  // A public client proves nothing about itself, so a stolen token would be enough (RFC 8693 section 5). Pages use the session instead.
  (_, { oidc }) => (oidc.client?.clientAuthMethod === 'none' ? 'a client that does not authenticate cannot exchange tokens' : undefined),
  (_, ctx) => (ctx.get('DPoP') ? 'what is got by exchange cannot be bound to a key: leave out the DPoP proof' : undefined),
  (parameters) =>
    Object.values(parameters).some((value) => value !== undefined && (value.length > LONGEST_PARAMETER || !isStorable(value)))
      ? 'a parameter is too long, or has characters that nothing can keep'
      : undefined,
  ({ actor_token, actor_token_type }) =>
    actor_token !== undefined || actor_token_type !== undefined ? 'there is no delegation: leave out actor_token' : undefined,
  ({ resource }) => (resource === undefined ? undefined : 'name the provider by audience and not by resource'),
  (parameters) => {
    const missing = ['subject_token', 'subject_token_type', 'audience'].filter((name) => !parameters[name]);
    return missing.length ? `missing required parameter(s) ${missing.join(', ')}` : undefined;
  },
  ({ subject_token_type: type }) => (type === ACCESS_TOKEN ? undefined : `subject_token_type must be ${ACCESS_TOKEN}`),
  ({ requested_token_type: type }) =>
    type === undefined || type === ACCESS_TOKEN ? undefined : `requested_token_type can only be ${ACCESS_TOKEN}`,
];

/** Adds the grant type to the library, which then lists it in the metadata. */
export function exchangeTokens(provider: Provider, app: ProtocolApp): void {
  const handler = async (ctx: KoaContextWithOIDC): Promise<void> => {
    const parameters = Object.fromEntries(PARAMETERS.map((name) => [name, ctx.oidc.params?.[name] as string | undefined]));
    for (const check of checks) {
      const wrong = check(parameters, ctx);
      if (wrong) throw new errors.InvalidRequest(wrong);
    }
    const { subject_token, audience, scope, refused_token } = parameters as Parameters & { subject_token: string; audience: string };
    const holder = await holderOfToken({ provider, database: app.database }, subject_token);
    // Another client's token gets the same answer as an unknown one. RFC 8693 section 2.2.2 requires `invalid_request`.
    if (!holder || holder.client.clientId !== ctx.oidc.client?.clientId)
      throw new errors.InvalidRequest(
        'subject_token must be an opaque access token that was issued to this client for a person, and has neither expired nor been revoked',
      );
    await answerWithToken(ctx, app, holder, { audience, scope, refusedToken: refused_token });
  };
  provider.registerGrantType(TOKEN_EXCHANGE, handler, PARAMETERS);
}
