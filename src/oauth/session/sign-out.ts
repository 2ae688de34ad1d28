import { decodeJwt } from 'jose';
import type { Context, Next } from 'koa';
import { type Client, errors, type Provider } from 'oidc-provider';
import { languageOf } from '../../http/language.ts';
import { saysItNavigates, seeOther } from '../../http/redirects.ts';
import { render } from '../../http/render.ts';
import { isStorable } from '../../platform/database.ts';
import { hostOf } from '../answers/leaving.ts';
import { nameOfClient } from '../clients/display-name.ts';
import { ROUTES } from '../routes.ts';

/**
 * Owns where a sign-out request leads (RP-Initiated Logout 1.0). With a session the library asks the user, who always gets a working
 * button.
 * A parameter that cannot be trusted is dropped. The user then only loses the way back to the app. Without a session there is no question.
 */

/** The part of the app's request that can be trusted. */
type SignOutRequest = {
  client?: Client | undefined;
  /** An ID token of this server, expired or not, names the client. */
  proven: boolean;
  /** Registered by the client, with `state` added. */
  returnTo?: string | undefined;
  /** Why a parameter is dropped, in the library's words. */
  problem?: string | undefined;
};

const PARAMETERS = ['id_token_hint', 'client_id', 'post_logout_redirect_uri', 'state', 'ui_locales', 'logout_hint'];

type Parameters = Record<string, string | string[] | undefined>;

export function checkSignOutRequest(provider: Provider) {
  return async (ctx: Context, next: Next) => {
    if (ctx.path !== ROUTES.end_session || ctx.method === 'OPTIONS') return next();
    const parameters: Parameters = { ...ctx.query };
    const request = await readRequest(provider, parameters);
    if (request.problem) reportToClient(ctx, provider, parameters, request);
    const { accountId } = await provider.Session.get(ctx);
    if (accountId === undefined) return leave(ctx, request);
    if (request.problem) ctx.query = trusted(parameters, request);
    ctx.state.staysHere = request.problem !== undefined;
    return next();
  };
}

async function readRequest(provider: Provider, parameters: Parameters): Promise<SignOutRequest> {
  const twice = PARAMETERS.find((name) => Array.isArray(parameters[name]));
  if (twice) return { proven: false, problem: `'${twice}' parameter must not be provided twice` };
  const {
    client_id: named,
    id_token_hint: hint,
    post_logout_redirect_uri: address,
    state,
  } = parameters as Record<string, string | undefined>;
  const clientId = named ?? (hint === undefined ? undefined : audienceOf(hint));
  const client = clientId && isStorable(clientId) ? await provider.Client.find(clientId) : undefined;
  const proven = client !== undefined && hint !== undefined && (await isOurs(provider, hint, client));
  const registered = address !== undefined && client?.postLogoutRedirectUriAllowed(address) === true;
  return {
    client,
    proven,
    returnTo: registered ? withState(address, state) : undefined,
    problem: problemOf({
      hint,
      proven,
      unknown: clientId !== undefined && !client,
      refused: address !== undefined && !!client && !registered,
    }),
  };
}

type Findings = { hint: string | undefined; proven: boolean; unknown: boolean; refused: boolean };

function problemOf({ hint, proven, unknown, refused }: Findings): string | undefined {
  if (unknown) return 'client is invalid';
  if (hint !== undefined && !proven) return 'could not validate id_token_hint';
  return refused ? 'post_logout_redirect_uri not registered' : undefined;
}

function audienceOf(hint: string): string | undefined {
  try {
    return [decodeJwt(hint).aud ?? []].flat()[0];
  } catch {
    return undefined;
  }
}

/**
 * Whether this server issued the ID token to this client. An expired one still shows that the app knew the user (section 2).
 * If its key was deleted after a rotation, the token cannot be verified. The user then stays on this server and gets a link to the app.
 */
const isOurs = (provider: Provider, hint: string, client: Client) =>
  provider.IdToken.validate(hint, client).then(
    () => true,
    () => false,
  );

function withState(address: string, state: string | undefined): string {
  const url = new URL(address);
  if (state !== undefined) url.searchParams.set('state', state);
  return url.href;
}

/**
 * The parameters that the library gets instead. After a failed hint they contain no address, since the client is not proven (section 3).
 */
function trusted({ client_id, id_token_hint, ui_locales }: Parameters, { client, proven }: SignOutRequest): Parameters {
  return {
    ...(typeof ui_locales === 'string' ? { ui_locales } : undefined),
    ...(proven ? { client_id, id_token_hint } : client ? { client_id: client.clientId } : undefined),
  };
}

/**
 * No user is signed in. The browser returns by itself to an app whose publisher an operator verified.
 * Any other redirect would make this server an open redirector. Anyone who registers a client has an ID token for a link (RFC 9700 section
 * 4.11.2).
 * So the user gets a page with a link. A program that sends no Fetch Metadata returns on an ID token too: current browsers always send it.
 */
function leave(ctx: Context, { client, proven, returnTo, problem }: SignOutRequest): void {
  ctx.set('Cache-Control', 'no-store');
  if (returnTo && !problem && (client?.['publisher'] || (proven && !saysItNavigates(ctx)))) {
    seeOther(ctx, returnTo);
    return;
  }
  const clientName = client && nameOfClient(client, languageOf(ctx));
  render(ctx, 'signed-out', { stayed: false, clientName, returnTo, host: returnTo && hostOf(returnTo) });
}

/** Reports the refusal, so that the client's owners read it under "Recent errors", like a refusal by the library. */
function reportToClient(ctx: Context, provider: Provider, parameters: Parameters, { client, problem }: SignOutRequest): void {
  const oidc = { client, params: parameters };
  provider.emit('end_session.error', Object.create(ctx, { oidc: { value: oidc } }), new errors.InvalidRequest(problem as string));
}
