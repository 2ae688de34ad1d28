import type { KoaContextWithOIDC } from 'oidc-provider';
import type { LibraryError } from '../../../oauth/answers/events.ts';
import { reasonOf } from '../../../oauth/answers/reasons.ts';
import { nearestRedirectUri, presentable } from '../../../oauth/clients/redirect-difference.ts';
import type { Follower } from '../../../oauth/feature.ts';
import { OWN_PARAMETERS } from '../../../oauth/requests/settle-request.ts';
import { isAnsweredAgain } from '../../../oauth/tokens/second-use.ts';
import { systemClock } from '../../../platform/clock.ts';
import { type Database, isStorable, isUnavailable } from '../../../platform/database.ts';
import type { Log } from '../../../platform/log.ts';
import { digestInHex } from '../../../platform/secrets.ts';
import { type ClientErrorRow, KEPT_ERRORS, keepClientErrors, type Sender } from './client-errors.ts';

/**
 * Owns the recording of errors of known clients, which their owners read in the portal. Errors are collected in memory and written in
 * batches.
 * A flood of wrong requests costs at most two statements a second. Anyone may cause errors in a client's name.
 * Errors of the authenticated client are stored apart from those. Equal errors are one row with a count.
 * Only the parameters named here are stored: no secret, code, token, verifier, assertion, state or nonce.
 */

const EVERY_MS = 500;
const MOST_IN_ALL = 1_000;

/** Endpoints whose failures a client's owners can read. At the other endpoints the client or its user already got the full error. */
const ENDPOINTS = {
  'authorization.error': 'authorization',
  'grant.error': 'token',
  'introspection.error': 'introspection',
  'revocation.error': 'revocation',
  'userinfo.error': 'userinfo',
  'pushed_authorization_request.error': 'pushed_authorization_request',
  'device_authorization.error': 'device_authorization',
  'end_session.error': 'end_session',
};

export function openErrorBook(database: Database, log: Log, everyMs: number = EVERY_MS): Follower {
  let pages = new Map<string, Map<string, ClientErrorRow>>();
  let size = 0;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  function add(row: ClientErrorRow): void {
    const name = `${row.sender} ${row.client_id}`;
    const page = pages.get(name) ?? new Map<string, ClientErrorRow>();
    pages.set(name, page);
    const same = page.get(row.id);
    page.delete(row.id);
    page.set(row.id, { ...row, times: row.times + (same?.times ?? 0) });
    if (!same) size++;
    if (page.size > KEPT_ERRORS) size -= shift(page);
    // A client with very many errors does not displace those of the others.
    else if (size > MOST_IN_ALL) size -= shift(fullest(pages));
  }

  async function write(): Promise<void> {
    const rows = [...pages.values()].flatMap((page) => [...page.values()]);
    pages = new Map();
    size = 0;
    if (!rows.length) return;
    try {
      await database.aside(keepClientErrors(rows));
    } catch (error) {
      // If the database is unavailable, the rows are written later. If it refuses a row, it would refuse it again.
      if (!isUnavailable(error)) return log.error({ event: 'client_errors_not_kept', err: error });
      const newer = [...pages.values()].flatMap((page) => [...page.values()]);
      pages = new Map();
      size = 0;
      for (const row of [...rows, ...newer]) add(row);
      log.warn({ event: 'client_errors_wait', reason: (error as Error).message });
      later();
    }
  }

  function later(): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      writing = writing.then(write);
    }, everyMs).unref();
  }

  return {
    listen(provider) {
      for (const [event, endpoint] of Object.entries(ENDPOINTS))
        provider.on(event as 'grant.error', (ctx: KoaContextWithOIDC, error: LibraryError) => {
          const row = isAnsweredAgain(ctx) ? undefined : rowOf(ctx, endpoint, error);
          if (!row) return;
          add(row);
          later();
        });
    },
    async write() {
      clearTimeout(timer);
      await writing;
      await write();
      clearTimeout(timer);
    },
  };
}

type Page = Map<string, ClientErrorRow>;

function fullest(pages: Map<string, Page>): Page {
  return [...pages.values()].reduce((most, page) => (page.size > most.size ? page : most));
}

/** Removes the oldest row. @returns how many rows were removed. */
function shift(page: Page): number {
  const [oldest] = page.keys();
  return oldest !== undefined && page.delete(oldest) ? 1 : 0;
}

// A device that polls while its user has not decided makes no mistake (RFC 8628 section 3.5).
const NO_ERRORS = new Set(['authorization_pending']);

function rowOf(ctx: KoaContextWithOIDC, endpoint: string, error: LibraryError): ClientErrorRow | undefined {
  const client = ctx.oidc?.client;
  const code = error.error ?? error.message;
  if (!client || NO_ERRORS.has(code)) return undefined;
  const sent = (ctx.oidc.params ?? ctx.oidc.body ?? ctx.query ?? {}) as Record<string, unknown>;
  const scrub = scrubber(ctx, sent);
  const what = {
    client_id: client.clientId,
    endpoint,
    error: scrub(code),
    description: error.error_description ? scrub(error.error_description) : null,
    sender: senderOf(ctx, endpoint, error),
    detail: {
      reason: reasonOf(error),
      ...plainOnes(sent, scrub),
      ...redirectFacts(sent['redirect_uri'], client, scrub),
      auth_method: authMethodOf(ctx, sent),
      registered_auth_method: client.clientAuthMethod ?? null,
    },
  };
  // Equal rows have one id on every node.
  const id = digestInHex(JSON.stringify(what));
  return { ...what, id, at: systemClock.now().toISOString(), request_id: ctx.state.requestId, times: 1 };
}

const BY_BROWSER = new Set(['authorization', 'end_session']);

/**
 * Whether the client itself sent the request. The library names the client before it checks the credentials.
 * Until then, and for a client without credentials, anyone may have sent it.
 */
function senderOf(ctx: KoaContextWithOIDC, endpoint: string, error: LibraryError): Sender {
  if (BY_BROWSER.has(endpoint)) return 'browser';
  // The endpoint found a token of the client.
  if (endpoint === 'userinfo') return 'client';
  const failed = error.error === 'invalid_client' || /only be provided using one mechanism/.test(error.error_description ?? '');
  return failed || ctx.oidc.client?.clientAuthMethod === 'none' ? 'anyone' : 'client';
}

const NOTED = ['grant_type', 'response_type', 'response_mode', 'scope', 'prompt', 'resource', 'code_challenge_method'];

function plainOnes(sent: Record<string, unknown>, scrub: (text: string) => string): Record<string, string> {
  return Object.fromEntries(NOTED.flatMap((name) => (typeof sent[name] === 'string' && sent[name] ? [[name, scrub(sent[name])]] : [])));
}

type Registered = { redirectUris?: readonly string[] | undefined; redirectUriAllowed(uri: string): boolean };

function redirectFacts(sent: unknown, client: Registered, scrub: (text: string) => string): Record<string, unknown> {
  if (typeof sent !== 'string' || !sent || !isStorable(sent)) return {};
  const registered = client.redirectUris ?? [];
  const redirect_uri = scrub(presentable(sent, registered));
  if (client.redirectUriAllowed(sent)) return { redirect_uri };
  return { redirect_uri, nearest: nearestRedirectUri(sent, registered) ?? null };
}

function authMethodOf(ctx: KoaContextWithOIDC, sent: Record<string, unknown>): string {
  if (/^basic /i.test(ctx.get('authorization'))) return 'client_secret_basic';
  if (sent['client_assertion'] !== undefined) return 'private_key_jwt';
  return sent['client_secret'] === undefined ? 'none' : 'client_secret_post';
}

const LONGEST = 300;
// A shorter value would match inside ordinary words.
const SHORTEST_SECRET = 6;
// No client sends as many parameters. A search for thousands of values would let anyone cause costly work.
const MOST_SECRETS = 100;
// The server's own parameters repeat the scope of the request, which an owner has to read.
const QUOTABLE = new Set<string>([...NOTED, ...OWN_PARAMETERS, 'redirect_uri', 'client_id']);

/** @returns a function that makes a text storable: printable, short, and without the value of any parameter that is not named here. */
function scrubber(ctx: KoaContextWithOIDC, sent: Record<string, unknown>): (text: string) => string {
  const all = { ...(ctx.query as Record<string, unknown>), ...(ctx.oidc.body as Record<string, unknown> | undefined), ...sent };
  const values = Object.entries(all)
    .filter(([name]) => !QUOTABLE.has(name))
    .flatMap(([, value]) => [value].flat())
    .concat(ctx.get('authorization').split(' ')[1])
    .filter((value): value is string => typeof value === 'string' && value.length >= SHORTEST_SECRET);
  const secret = new Set(values);
  if (secret.size > MOST_SECRETS) return () => '…';
  return (text) => {
    let kept = text.slice(0, 4 * LONGEST);
    for (const value of secret) kept = kept.replaceAll(value, '…');
    kept = kept.replace(/[^\x20-\x7e…]/g, '?');
    return kept.length > LONGEST ? `${kept.slice(0, LONGEST)}…` : kept;
  };
}
