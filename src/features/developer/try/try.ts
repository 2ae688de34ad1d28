import { LIMITS, limitRate } from '../../../http/rate-limit.ts';
import type { ClientRecord } from '../../../oauth/clients/inspection.ts';
import { ROUTES } from '../../../oauth/routes.ts';
import { endByHandle, HANDLE_CHARACTERS } from '../../../oauth/store/token-handles.ts';
import { writeTogether } from '../../../oauth/store/unit-of-work.ts';
import { backTo, type OwnPage, recordOwnEvent, type Visit } from '../../../pages/own-pages.ts';
import { isStorable } from '../../../platform/database.ts';
import { AppError } from '../../../platform/errors.ts';
import { digestInHex } from '../../../platform/secrets.ts';
import { kindOf, listOf } from '../clients/kind.ts';
import { ownClient, pathOf } from '../clients/owned.ts';
import { findOwnedClient } from '../clients/owned-clients.ts';
import { showClient } from '../clients/page.ts';
import { ownScopes } from '../clients/scope-choice.ts';
import { scopesToAsk, type TokenApi, tokenApi } from '../clients/token-api.ts';
import { callCurl, curlTo, deviceCurl } from '../snippets/curl.ts';
import { addAddress, hasAddress, removeAddress } from './address.ts';
import { askable, askForToken, decodeJwt, type EndpointAnswer, type Fetch, tryToken } from './client.ts';
import { type Failure, failureOf } from './failure.ts';
import { forgetSecret, keptSecret } from './kept-secret.ts';
import { answerOnce, beginTrial, callbackOf, type Got, gone, seal, type Trial, unseal } from './visit.ts';

/**
 * Owns the pages on which a developer tries a client: the portal sends the client's real requests, and the developer is the user. The pages
 * show each request. The client gets nothing that it would not get by itself.
 */

export function tryPages(ask: Fetch): Record<string, OwnPage> {
  const acts: Record<string, (visit: Visit, client: ClientRecord, form: URLSearchParams) => Promise<void>> = {
    add,
    remove,
    redeem: (visit, client, form) => redeem(ask, visit, client, form),
    token: (visit, client, form) => ownToken(ask, visit, client, form),
    revoke: (visit, client, form) => revoke(ask, visit, client, form),
  };
  return {
    '/developer/clients/:client/try': {
      recent: true,
      async show(visit) {
        begin(visit, await ownClient(visit));
      },
      async submit(visit, form) {
        const client = await ownClient(visit);
        const act = form.get('act') ?? '';
        if (!Object.hasOwn(acts, act)) throw new AppError('invalid_request', { status: 400, reason: 'unknown act' });
        await acts[act]?.(visit, client, form);
      },
    },
    '/developer/try/callback': { show: comeBack },
  };
}

/** @returns the scopes to request: those in the page's address, else those of the chosen API. */
function scopeOf(visit: Visit, api: TokenApi): string {
  const wished = visit.ctx.query['scope'];
  if (typeof wished === 'string' && wished.length <= 500 && /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/.test(wished.trim()))
    return wished.trim();
  return scopesToAsk(api, visit.app.resourceServers).join(' ');
}

type More = Record<string, unknown> & { problem?: string };

function begin(visit: Visit, client: ClientRecord, more: More = {}): void {
  const kind = kindOf(client);
  const { issuer } = visit.app.config;
  const api = tokenApi(visit, client);
  const scope = scopeOf(visit, api);
  const registered = hasAddress(visit, client);
  showClient(visit, client, 'try', {
    kind,
    issuer,
    api,
    scope,
    ownScope: ownScopes(api.scopes).join(' '),
    registered,
    only: registered && listOf(client.metadata['redirect_uris']).length === 1,
    callback: callbackOf(issuer),
    askable: askable(kind.authMethod),
    kept: keptSecret(visit, client.id) !== undefined,
    action: pathOf(client.id, '/try'),
    endpoint: `GET ${issuer}${ROUTES.authorization}`,
    device: kind.device ? deviceCurl(issuer, kind, { scope, ...resourceIn(api) }) : undefined,
    request: kind.takesCodes && registered && !kind.suspended ? beginTrial(visit, client.id, scope, api.resource) : undefined,
    ...more,
  });
}

/** @returns the request parameter; empty for this server's own API. */
const resourceIn = ({ resource }: { resource?: string | undefined }): { resource?: string } => (resource ? { resource } : {});

async function add(visit: Visit, client: ClientRecord): Promise<void> {
  await limitRate(visit.app.database, LIMITS.clientChanges, visit.account.id);
  const problems = await addAddress(visit, client);
  if (problems.length) return begin(visit, client, { problem: 'developer.problems', wrong: problems });
  backTo(visit, pathOf(client.id, '/try'));
}

async function remove(visit: Visit, client: ClientRecord): Promise<void> {
  await limitRate(visit.app.database, LIMITS.clientChanges, visit.account.id);
  backTo(visit, pathOf(client.id, '/try'), await removeAddress(visit, client));
}

/** Handles the answer of the authorization endpoint, once for each request. */
async function comeBack(visit: Visit): Promise<void> {
  const { ctx, account, app } = visit;
  const { state, code, error, error_description, iss } = ctx.query;
  const { until: _, bound: _bound, ...trial } = unseal<Trial & { until?: number; bound?: string }>(visit, 'request', state);
  // The issuer of the answer (RFC 9207 section 2.4).
  if (iss !== app.config.issuer) throw gone('iss');
  await answerOnce(visit, trial);
  const client = await findOwnedClient(app.database, account.id, trial.clientId);
  if (!client) throw new AppError('not_found', { status: 404, reason: 'no client of theirs' });
  // This address works once, so the language switch starts the trial again.
  ctx.state.pagePath = pathOf(client.id, '/try');
  ctx.state.pageQuery = '';
  if (typeof error === 'string') return begin(visit, client, { failure: failureOf({ error, error_description }) });
  if (typeof code !== 'string' || !/^[\w.~-]{1,200}$/.test(code)) throw gone('no_code');
  showCode(visit, client, { ...trial, code });
}

function showCode(visit: Visit, client: ClientRecord, trial: Trial & { code: string }, more: More = {}) {
  const kind = kindOf(client);
  const { issuer } = visit.app.config;
  showClient(visit, client, 'try-code', {
    kind,
    issuer,
    askable: askable(kind.authMethod),
    kept: keptSecret(visit, client.id) !== undefined,
    action: pathOf(client.id, '/try'),
    parameters: codeParameters(trial, callbackOf(issuer)),
    endpoint: `POST ${issuer}${ROUTES.token}`,
    curl: curlTo(issuer, 'token', kind, codeParameters(trial, callbackOf(issuer))),
    sealed: seal(visit, 'code', trial),
    ...more,
  });
}

const codeParameters = (trial: Trial & { code: string }, callback: string) => ({
  grant_type: 'authorization_code',
  code: trial.code,
  redirect_uri: callback,
  code_verifier: trial.verifier,
  ...resourceIn(trial),
});

async function redeem(ask: Fetch, visit: Visit, client: ClientRecord, form: URLSearchParams): Promise<void> {
  const {
    until: _,
    bound: _bound,
    ...trial
  } = unseal<Trial & { code: string; until?: number; bound?: string }>(visit, 'code', form.get('sealed'));
  if (trial.clientId !== client.id) throw gone('of_another_client');
  const { issuer } = visit.app.config;
  const kind = kindOf(client);
  if (!askable(kind.authMethod)) throw gone('not_askable');
  const answer = await askForToken(ask, issuer, kind, secretFor(visit, client, form), codeParameters(trial, callbackOf(issuer)));
  if (answer.status !== 200)
    return showCode(visit, client, trial, {
      problem: 'developer.try.refused',
      failure: refused(visit, answer),
      ...stillKept(visit, client, answer),
    });
  await showTokens(ask, visit, client, answer, trial);
}

/** @returns the typed secret, else the one that the owner has just created. */
const secretFor = (visit: Visit, client: ClientRecord, form: URLSearchParams): string =>
  form.get('client_secret') || (keptSecret(visit, client.id) ?? '');

/** Requests a token of the client's own (RFC 6749 section 4.4). */
async function ownToken(ask: Fetch, visit: Visit, client: ClientRecord, form: URLSearchParams): Promise<void> {
  const kind = kindOf(client);
  const scope = form.get('scope')?.trim() ?? '';
  const api = resourceIn(tokenApi(visit, client));
  const parameters = { grant_type: 'client_credentials', ...(scope ? { scope } : undefined), ...api };
  const answer = await askForToken(ask, visit.app.config.issuer, kind, secretFor(visit, client, form), parameters);
  if (answer.status !== 200)
    return begin(visit, client, { problem: 'developer.try.refused', failure: refused(visit, answer), ...stillKept(visit, client, answer) });
  await showTokens(ask, visit, client, answer, api);
}

function refused(visit: Visit, { body }: EndpointAnswer): Failure {
  // A refused secret was revoked meanwhile, or was typed wrong. The next form asks for it.
  if (body['error'] === 'invalid_client') forgetSecret(visit);
  return failureOf(body);
}

/** @returns whether the next form still has the kept secret. */
const stillKept = (visit: Visit, client: ClientRecord, { body }: EndpointAnswer): { kept: boolean } => ({
  kept: body['error'] !== 'invalid_client' && keptSecret(visit, client.id) !== undefined,
});

/** @param asked what the trial asked for: the nonce of an ID token, and the API. */
async function showTokens(
  ask: Fetch,
  visit: Visit,
  client: ClientRecord,
  answer: EndpointAnswer,
  asked: { nonce?: string; resource?: string | undefined },
): Promise<void> {
  const { issuer } = visit.app.config;
  const { access_token, refresh_token, id_token, scope } = answer.body;
  const accessToken = String(access_token);
  const { resource } = asked;
  const got: Got = {
    clientId: client.id,
    accessToken,
    ...(typeof refresh_token === 'string' ? { refreshToken: refresh_token } : undefined),
    ...(resource && { resource }),
  };
  const idToken = decodeJwt(id_token);
  showClient(visit, client, 'try-tokens', {
    action: pathOf(client.id, '/try'),
    answer,
    idToken,
    nonceFits: idToken && asked.nonce !== undefined ? idToken.claims['nonce'] === asked.nonce : undefined,
    jwt: decodeJwt(access_token) !== undefined,
    call: await tryToken(ask, issuer, accessToken, { scope: String(scope ?? ''), resource }),
    api: resource,
    apiCurl: resource && callCurl(resource),
    issuer,
    scope,
    sealed: seal(visit, 'got', got),
  });
}

/** Revokes the received tokens and repeats the call, to show that they no longer work. */
async function revoke(ask: Fetch, visit: Visit, client: ClientRecord, form: URLSearchParams): Promise<void> {
  const got = unseal<Got>(visit, 'got', form.get('sealed'));
  if (got.clientId !== client.id) throw gone('of_another_client');
  const handles = [got.accessToken, got.refreshToken]
    .filter((token) => token !== undefined)
    .map((token) => digestInHex(token).slice(0, HANDLE_CHARACTERS));
  await writeTogether(visit.app.database, [
    ...handles.map((handle) => ({ purpose: 'end' as const, statement: endByHandle(handle) })),
    { purpose: 'keep', statement: recordOwnEvent(visit, 'access_ended', { clientId: client.id, detail: { tried: true } }) },
  ]);
  const scope = form.get('scope') ?? '';
  showClient(visit, client, 'try-revoked', {
    action: pathOf(client.id, '/try'),
    call: isStorable(scope) ? await tryToken(ask, visit.app.config.issuer, got.accessToken, { scope, resource: got.resource }) : undefined,
    jwt: decodeJwt(got.accessToken) !== undefined,
    done: true,
  });
}
