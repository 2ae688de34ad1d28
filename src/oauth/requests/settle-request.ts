import { decodeJwt } from 'jose';
import type { Context, Next } from 'koa';
import { type Client, Provider } from 'oidc-provider';
import { readBody, replaceBody } from '../../http/form.ts';
import { isStorable } from '../../platform/database.ts';
import { declinedScopes } from '../consent/decision.ts';
import { override } from '../internals.ts';
import { ROUTES } from '../routes.ts';
import type { ResourcePolicy } from '../scopes/resource-policy.ts';
import { placeAsked, recallSource } from '../store/lineage.ts';
import { scopesIn } from './scope-rules.ts';

/**
 * Owns the step before the library reads a request: it applies scope-rules.ts to `scope` and `resource`.
 * The library reports errors, because it knows where the response may go: see resource-policy.ts, completeScope().
 */

/**
 * Internal parameters that travel with the request to its code. No client can set them. `scope_as_sent` is what the client asked for.
 * `scope_as_settled` is the settled scope. It is needed because the library drops `offline_access` when a request does not force a consent
 * page.
 */
export const OWN_PARAMETERS = ['scope_as_sent', 'scope_as_settled'] as const;

/** The library's list of extra parameters: the internal ones, and the handling of `scope` once the client is known. */
export const requestParameters = (scope: ResourcePolicy['completeScope']) => ({
  scope,
  ...Object.fromEntries(OWN_PARAMETERS.map((name) => [name, () => {}])),
});

/** A token request without a resource is for the authorized one (RFC 8707 section 2.2). */
export const useGrantedResource = async (): Promise<boolean> => true;

const DEVICE_CODE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

export function settleRequest(provider: Provider, policy: ResourcePolicy) {
  const settle = async (ctx: Context, parameters: URLSearchParams): Promise<void> => {
    for (const name of OWN_PARAMETERS) parameters.delete(name);
    const client = await clientOf(provider, ctx, parameters);
    // A pushed request was settled when it arrived (RFC 9126). The library refuses a repeated parameter.
    if (!client || parameters.has('request_uri') || parameters.has('request') || parameters.getAll('scope').length > 1) return;
    const sent = parameters.get('scope') ?? undefined;
    const settled = policy.settle(client, sent, parameters.getAll('resource'), isForItself(parameters));
    if ('refusal' in settled) {
      ctx.state.refusal = settled.refusal;
      parameters.delete('resource');
      return;
    }
    const scope = settled.scopes.join(' ');
    write(parameters, 'resource', settled.resources);
    write(parameters, 'scope', scope ? [scope] : []);
    if (ctx.path === ROUTES.token) return;
    write(parameters, 'scope_as_settled', scope ? [scope] : []);
    write(parameters, 'scope_as_sent', sent && sent !== scope ? [sent] : []);
  };

  return async (ctx: Context, next: Next): Promise<void> => {
    if (ctx.path === ROUTES.authorization && ctx.method !== 'POST') {
      const parameters = new URLSearchParams(ctx.querystring);
      await settle(ctx, parameters);
      ctx.querystring = String(parameters);
    } else if (ctx.method === 'POST' && ctx.is('application/x-www-form-urlencoded')) {
      if (ctx.path === ROUTES.pushed_authorization_request || ctx.path === ROUTES.device_authorization)
        await rewrite(ctx, (parameters) => settle(ctx, parameters));
      else if (ctx.path === ROUTES.token)
        await rewrite(ctx, async (parameters) => {
          if (isForItself(parameters)) return settle(ctx, parameters);
          if (parameters.has('resource') && REDEEMING.has(parameters.get('grant_type') ?? ''))
            write(
              parameters,
              'resource',
              parameters.getAll('resource').map((resource) => policy.identifierOf(resource)),
            );
          if (parameters.has('scope') && parameters.get('grant_type') === 'refresh_token')
            await narrowRefresh(provider, policy, parameters);
        });
    }
    await next();
  };
}

/** Stores with codes what the client asked for, for narrowRefresh(): the library's models have no member for it. */
export function rememberAsked(provider: Provider): void {
  for (const name of ['AuthorizationCode.save', 'DeviceCode.save'] as const)
    override(
      provider,
      name,
      (save) =>
        async function (...args) {
          const asked = Provider.ctx?.oidc.params?.['scope_as_sent'];
          if (typeof asked === 'string') placeAsked(asked);
          return save.apply(this, args);
        },
    );
}

const REDEEMING = new Set(['authorization_code', 'refresh_token', DEVICE_CODE_GRANT]);

const isForItself = (parameters: URLSearchParams): boolean => parameters.get('grant_type') === 'client_credentials';

function write(parameters: URLSearchParams, name: string, values: string[]): void {
  parameters.delete(name);
  for (const value of values) parameters.append(name, value);
}

async function rewrite(ctx: Context, change: (parameters: URLSearchParams) => Promise<void>): Promise<void> {
  const body = await readBody(ctx.req);
  const parameters = new URLSearchParams(body.toString('utf8'));
  const before = String(parameters);
  await change(parameters);
  const after = String(parameters);
  // An unchanged body passes to the library byte for byte, so that the library can report its errors exactly.
  replaceBody(ctx.req, after === before ? body : Buffer.from(after));
}

/**
 * @returns the client that a request names, without proof. It decides what may be asked. The client must authenticate before it gets a
 * response.
 */
async function clientOf(provider: Provider, ctx: Context, parameters: URLSearchParams): Promise<Client | undefined> {
  const id = claimedClient(ctx, parameters);
  return id === undefined ? undefined : provider.Client.find(id);
}

/** @returns the client id that a request names, by any authentication method; undefined for none, or for an impossible id. */
export function claimedClient(ctx: Context, parameters: URLSearchParams): string | undefined {
  const id = parameters.get('client_id') ?? basicUser(ctx.get('authorization')) ?? subjectOf(parameters.get('client_assertion'));
  return id && isStorable(id) ? id : undefined;
}

/** The user name is form-encoded (RFC 6749 section 2.3.1). */
function basicUser(header: string): string | undefined {
  const [, encoded] = /^basic (\S+)$/i.exec(header) ?? [];
  const [user] = encoded ? Buffer.from(encoded, 'base64').toString('utf8').split(':') : [];
  return user === undefined ? undefined : (new URLSearchParams(`user=${user}`).get('user') ?? undefined);
}

/** The subject of a client assertion is the client (RFC 7523 section 3). */
function subjectOf(assertion: string | null): string | undefined {
  try {
    return assertion ? decodeJwt(assertion).sub : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Clients repeat the scopes of their authorization at each refresh. Scopes that were not granted are left out.
 * A scope that the client never asked for is still `invalid_scope` (RFC 6749 section 6).
 */
async function narrowRefresh(provider: Provider, policy: ResourcePolicy, parameters: URLSearchParams): Promise<void> {
  const token = await provider.RefreshToken.find(parameters.get('refresh_token') ?? '', { ignoreExpiration: true } as never);
  const grant = token?.grantId ? await provider.Grant.find(token.grantId, { ignoreExpiration: true } as never) : undefined;
  if (!token || !grant) return;
  const asked = scopesIn((await recallSource())?.lineage?.asked);
  const resources = [undefined, ...[token.resource ?? []].flat()];
  const answered = new Set([...asked, ...resources.flatMap((resource) => declinedScopes(grant, resource))]);
  const isLeftOut = (name: string) =>
    !token.scopes.has(name) && (name === 'offline_access' || !policy.scopes.has(name) || answered.has(name));
  const scopes = scopesIn(parameters.get('scope')).filter((name) => !isLeftOut(name));
  // Without the parameter the refresh is for everything granted.
  write(parameters, 'scope', scopes.length ? [scopes.join(' ')] : []);
}
