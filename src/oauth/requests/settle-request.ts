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
 * Owns the step before the library reads a request: `scope` and `resource` as the client sent them become what scope-rules.ts says.
 * What is wrong is left for the library to answer, since it knows where the answer may go: see resource-servers.ts, completeScope().
 */

/**
 * Parameters of ours, which travel with the request to its code. No client can set them. `scope_as_sent` is what the client asked;
 * `scope_as_settled` what the request came to, since the library drops `offline_access` where a request does not force a consent page.
 */
export const OWN_PARAMETERS = ['scope_as_sent', 'scope_as_settled'] as const;

/** The library's list of parameters beside the standard's: ours, and what is done about `scope` once the client is known. */
export const requestParameters = (scope: ResourcePolicy['completeScope']) => ({
  scope,
  ...Object.fromEntries(OWN_PARAMETERS.map((name) => [name, () => {}])),
});

/** A token request that names no resource is for the one that was authorized (RFC 8707 section 2.2). */
export const alwaysTheGranted = async (): Promise<boolean> => true;

const DEVICE_CODE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

export function settleRequest(provider: Provider, policy: ResourcePolicy) {
  const settle = async (ctx: Context, parameters: URLSearchParams): Promise<void> => {
    for (const name of OWN_PARAMETERS) parameters.delete(name);
    const client = await clientOf(provider, ctx, parameters);
    // A pushed request was settled when it came (RFC 9126). A parameter that comes twice is the library's to refuse.
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

/** Has codes remember what was asked for them, for narrowRefresh(): the library's models have no room for it. */
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
  // A body that says the same goes on to the library byte for byte: it may say better what is wrong with it.
  replaceBody(ctx.req, after === before ? body : Buffer.from(after));
}

/** The client that a request names, unproven: it decides what may be asked, and nothing is answered before the client has authenticated. */
async function clientOf(provider: Provider, ctx: Context, parameters: URLSearchParams): Promise<Client | undefined> {
  const id = claimedClient(ctx, parameters);
  return id === undefined ? undefined : provider.Client.find(id);
}

/** The id of the client that a request names, by whichever way of authentication; undefined for none, or one that no client can have. */
export function claimedClient(ctx: Context, parameters: URLSearchParams): string | undefined {
  const id = parameters.get('client_id') ?? basicUser(ctx.get('authorization')) ?? subjectOf(parameters.get('client_assertion'));
  return id && isStorable(id) ? id : undefined;
}

/** RFC 6749 section 2.3.1: the user name is form-encoded. */
function basicUser(header: string): string | undefined {
  const [, encoded] = /^basic (\S+)$/i.exec(header) ?? [];
  const [user] = encoded ? Buffer.from(encoded, 'base64').toString('utf8').split(':') : [];
  return user === undefined ? undefined : (new URLSearchParams(`user=${user}`).get('user') ?? undefined);
}

/** RFC 7523 section 3: the subject of a client's assertion is the client. */
function subjectOf(assertion: string | null): string | undefined {
  try {
    return assertion ? decodeJwt(assertion).sub : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A client repeats the scopes of its authorization at each refresh. Those that nobody granted are left out; one that it never asked for
 * is still `invalid_scope` (RFC 6749 section 6).
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
  // Without the parameter the refresh is for all that was granted.
  write(parameters, 'scope', scopes.length ? [scopes.join(' ')] : []);
}
