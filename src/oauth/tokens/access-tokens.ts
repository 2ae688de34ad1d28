import type { Context, Next } from 'koa';
import { type AccessToken, type Grant, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { IDENTITY_SCOPES } from '../../people/claims.ts';
import { compute, override } from '../internals.ts';
import { scopesIn } from '../requests/scope-rules.ts';
import { ROUTES } from '../routes.ts';
import { userinfoOf } from '../scopes/resource-policy.ts';

/**
 * Owns the audience of access tokens where the library leaves it open. A token of the server's own API has no audience.
 * If the client named no API and `openid` was granted, the API's token also opens userinfo. Owns the `scope` of a token response too.
 */

/** The credential that is redeemed for a token: a code, device code or refresh token. */
type Source = { scopes: Set<string>; resource?: string | string[]; claims?: object };

const sourceOf = ({ oidc }: KoaContextWithOIDC): Source | undefined => {
  const { AuthorizationCode, DeviceCode, RefreshToken } = oidc.entities;
  return (AuthorizationCode ?? DeviceCode ?? RefreshToken) as Source | undefined;
};

/** The scopes that a token request may get: all scopes of its source, or the subset that it asks for. */
function wantedOf(ctx: KoaContextWithOIDC, source: Source): Set<string> {
  const asked = ctx.oidc.params?.['grant_type'] === 'refresh_token' ? scopesIn(ctx.oidc.params['scope']) : [];
  return asked.length ? new Set(asked.filter((name) => source.scopes.has(name))) : source.scopes;
}

/** Extends the library's models with these rules. The library's own code decides the audience and knows only one. */
export function settleAudiences(provider: Provider): void {
  const { issuer } = provider;
  const userinfo = userinfoOf(issuer);

  override(
    provider,
    'AccessToken.save',
    (save) =>
      async function () {
        const ctx = Provider.ctx as KoaContextWithOIDC | undefined;
        const source = ctx && sourceOf(ctx);
        const grant = ctx?.oidc.entities.Grant;
        if (source && grant) {
          if (this.aud === issuer) clearOwnAudience(this, grant, wantedOf(ctx, source));
          else if (!ctx.oidc.params?.['resource'] && [source.resource].flat().includes(userinfo))
            addUserinfoAudience(this, grant, ctx, source);
        }
        const value = await save.call(this);
        values.set(this, value);
        return value;
      },
  );

  /** A token of the server's own API has no audience, however the client asked for it. */
  function clearOwnAudience(token: AccessToken, grant: Grant, wanted: Set<string>): void {
    delete token.aud;
    token.scope = grant.getOIDCScopeFiltered(wanted);
  }

  function addUserinfoAudience(token: AccessToken, grant: Grant, ctx: KoaContextWithOIDC, source: Source): void {
    const wanted = wantedOf(ctx, source);
    const identity = scopesIn(grant.getOIDCScopeFiltered(new Set(IDENTITY_SCOPES.filter((name) => wanted.has(name)))));
    if (!identity.includes('openid')) return;
    token.aud = [String(token.aud), userinfo];
    token.scope = [...identity, ...scopesIn(token.scope)].join(' ');
    if (source.claims) token.claims = source.claims as never;
  }

  override(
    provider,
    'static AccessToken.find',
    (find) =>
      async function (this: unknown, value, options) {
        const token = await find.call(this as never, value, options);
        // The library opens userinfo only to tokens without an audience.
        if (token && Provider.ctx?.oidc.route === 'userinfo' && [token.aud].flat().includes(userinfo)) delete token.aud;
        return token;
      },
  );

  override(
    provider,
    'ClientCredentials.save',
    (save) =>
      async function () {
        if (this.aud === issuer) delete this.aud;
        return save.call(this);
      },
  );

  // A code that names no API is for the server's own API. A token request may name that API.
  compute(provider, 'BaseToken.resourceIndicators', function () {
    return new Set([this.resource ?? [undefined, issuer]].flat());
  });
}

/** The values of access tokens issued in current requests. */
const values = new WeakMap<object, string>();

/** Adds `at_hash` to ID tokens of the code flow (OIDC Core section 3.1.3.6). The library adds it in the implicit flow only. */
export function bindIdTokens(provider: Provider): void {
  override(
    provider,
    'IdToken.issue',
    (issue) =>
      async function (how) {
        const ctx = Provider.ctx as KoaContextWithOIDC | undefined;
        const value = values.get(ctx?.oidc.entities.AccessToken ?? {});
        if (how.use === 'idtoken' && value) this.set('at_hash', value);
        return issue.call(this, how);
      },
  );
}

/**
 * Sets `scope` of a token response to everything granted: the API's scopes, those of the ID token, and `offline_access`.
 * The member is always present, so also when it differs from the request (RFC 6749 section 5.1).
 */
export async function stateGrantedScope(ctx: Context, next: Next): Promise<void> {
  await next();
  const body = ctx.body as { access_token?: string; scope?: string } | undefined;
  if (ctx.path !== ROUTES.token || ctx.status !== 200 || !body?.access_token || !ctx['oidc']) return;
  const oidcCtx = ctx as unknown as KoaContextWithOIDC;
  const source = sourceOf(oidcCtx);
  const grant = oidcCtx.oidc.entities.Grant;
  if (!source || !grant) return;
  const wanted = wantedOf(oidcCtx, source);
  const beside = [...IDENTITY_SCOPES, 'offline_access'].filter((name) => wanted.has(name));
  const scopes = new Set([...scopesIn(grant.getOIDCScopeFiltered(new Set(beside))), ...scopesIn(body.scope)]);
  if (scopes.size) ctx.body = { ...body, scope: [...scopes].join(' ') };
}
