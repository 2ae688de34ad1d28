import { decodeJwt } from 'jose';
import type { Context, Next } from 'koa';
import { type Client, errors, type Provider } from 'oidc-provider';
import { languageOf } from '../../http/language.ts';
import { saysItNavigates } from '../../http/onward.ts';
import { render } from '../../http/render.ts';
import { seeOther } from '../../http/see-other.ts';
import { isStorable } from '../../platform/database.ts';
import { hostOf } from '../answers/leaving.ts';
import { nameOfClient } from '../clients/display-name.ts';
import { ROUTES } from '../routes.ts';

/**
 * Owns where a request to sign out leads (RP-Initiated Logout 1.0). With a session the library asks the user, who is never left without a button:
 * a parameter that cannot be trusted is dropped, and costs the way back to the app alone. Without a session there is nothing to ask.
 */

/** What an app asked for, as far as it can be trusted. */
type SignOutRequest = {
  client?: Client | undefined;
  /** An ID token of ours, expired or not, names the client. */
  proven: boolean;
  /** Registered by the client, and with the state in it. */
  returnTo?: string | undefined;
  /** Why a parameter is dropped; in the words of the library. */
  problem?: string | undefined;
};

const PARAMETERS = ['id_token_hint', 'client_id', 'post_logout_redirect_uri', 'state', 'ui_locales', 'logout_hint'];

type Parameters = Record<string, string | string[] | undefined>;

export function signOutWithoutDeadEnd(provider: Provider) {
  return async (ctx: Context, next: Next) => {
    if (ctx.path !== ROUTES.end_session || ctx.method === 'OPTIONS') return next();
    const parameters: Parameters = { ...ctx.query };
    const request = await readRequest(provider, parameters);
    if (request.problem) tellClient(ctx, provider, parameters, request);
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
 * Whether we issued this ID token to this client. One that has expired still says that the app knew the user (section 2). One whose key was deleted, some
 * time after a rotation, says nothing that can be verified: the user stays here, with a link to the app.
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

/** What the library is asked with instead: never an address after a hint that failed, since then nobody knows who asks (section 3). */
function trusted({ client_id, id_token_hint, ui_locales }: Parameters, { client, proven }: SignOutRequest): Parameters {
  return {
    ...(typeof ui_locales === 'string' ? { ui_locales } : undefined),
    ...(proven ? { client_id, id_token_hint } : client ? { client_id: client.clientId } : undefined),
  };
}

/**
 * Nobody is signed in here. The browser goes back by itself to an app that an operator vouches for. Any other redirect would make us an open
 * redirector, so its user gets a page with a link: whoever registered a client has an ID token from it, and can put that into a link (RFC 9700
 * section 4.11.2). What does not say that it navigates is no browser of today, and goes back by an ID token too.
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

/** The client's owners read of it under "Recent errors", as of what the library refuses. */
function tellClient(ctx: Context, provider: Provider, parameters: Parameters, { client, problem }: SignOutRequest): void {
  const oidc = { client, params: parameters };
  provider.emit('end_session.error', Object.create(ctx, { oidc: { value: oidc } }), new errors.InvalidRequest(problem as string));
}
