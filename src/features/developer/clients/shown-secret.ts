import type { Visit } from '../../../pages/own-pages.ts';
import { MINUTE } from '../../../platform/clock.ts';
import { inShell } from '../snippets/quoting.ts';
import { pathOf } from './owned.ts';

/**
 * Owns the single display of a secret: on the page that answers the form, and as a file downloaded from there. The secret is not stored.
 * The page carries it sealed for the file, so that the server only writes a file with a secret it displayed.
 */

const OFFERED_SECONDS = 10 * MINUTE;

type Sealed = { secret: string; until: number };

/** The data of views/developer/secret-shown.eta. `sealed` is for the form that downloads the file. */
export type ShownSecret = { secret: string; sealed: string; asksFile: string };

export function showSecret({ account, app }: Visit, clientId: string, secret: string): ShownSecret {
  const sealed: Sealed = { secret, until: Date.now() + OFFERED_SECONDS * 1000 };
  return {
    secret,
    sealed: app.keyRing.encrypt(JSON.stringify(sealed), contextOf(account.id, clientId)),
    asksFile: pathOf(clientId, '/secrets'),
  };
}

/** Sends the file. @returns false for a value that was not sealed for this user and client, or has expired. */
export function answerFile({ ctx, account, app }: Visit, clientId: string, sealed: string): boolean {
  const secret = open(app.keyRing, contextOf(account.id, clientId), sealed);
  if (secret === undefined) return false;
  const lines = { OAUTH_ISSUER: app.config.issuer, OAUTH_CLIENT_ID: clientId, OAUTH_CLIENT_SECRET: secret };
  ctx.status = 200;
  ctx.type = 'text/plain';
  ctx.set('Content-Disposition', 'attachment; filename="client.env"');
  ctx.set('Cache-Control', 'no-store');
  // Some programs read the file themselves, others through a shell. Single quotes make it plain text for both.
  ctx.body = Object.entries(lines)
    .map(([name, value]) => `${name}=${/^[\w.:/-]+$/.test(value) ? value : inShell(value)}\n`)
    .join('');
  return true;
}

function open(keyRing: Visit['app']['keyRing'], context: string, sealed: string): string | undefined {
  try {
    const { secret, until } = JSON.parse(keyRing.decrypt(sealed, context)) as Sealed;
    return until > Date.now() ? secret : undefined;
  } catch {
    // A value that we did not seal.
    return undefined;
  }
}

const contextOf = (accountId: string, clientId: string) => `client secret file ${accountId} ${clientId}`;
