import type { Visit } from '../../pages/own-pages.ts';
import { MINUTE } from '../../platform/clock.ts';

import { pathOf } from './owned.ts';
import { inShell } from './quoting.ts';

/**
 * Owns the one time that a secret is seen: on the page that answers the form which made it, and, from there, as a file.
 * It is kept nowhere: the page carries it for the file, sealed, so that we write no file but of what we showed.
 */

const OFFERED_SECONDS = 10 * MINUTE;

type Sealed = { secret: string; until: number };

/** What views/developer/secret-shown.eta shows. `sealed` is for the form that asks for the file. */
export type ShownSecret = { secret: string; sealed: string; asksFile: string };

export function showSecret({ account, services }: Visit, clientId: string, secret: string): ShownSecret {
  const sealed: Sealed = { secret, until: Date.now() + OFFERED_SECONDS * 1000 };
  return {
    secret,
    sealed: services.keyRing.encrypt(JSON.stringify(sealed), contextOf(account.id, clientId)),
    asksFile: pathOf(clientId, '/secrets'),
  };
}

/** Answers with the file. @returns false when what was sent is not, or no longer, what we showed this person of this client. */
export function answerFile({ ctx, account, services }: Visit, clientId: string, sealed: string): boolean {
  const secret = open(services.keyRing, contextOf(account.id, clientId), sealed);
  if (secret === undefined) return false;
  const lines = { OAUTH_ISSUER: services.config.issuer, OAUTH_CLIENT_ID: clientId, OAUTH_CLIENT_SECRET: secret };
  ctx.status = 200;
  ctx.type = 'text/plain';
  ctx.set('Content-Disposition', 'attachment; filename="client.env"');
  ctx.set('Cache-Control', 'no-store');
  // Some programs read it, others have their shell do so: within single quotes it is nothing but a text to both.
  ctx.body = Object.entries(lines)
    .map(([name, value]) => `${name}=${/^[\w.:/-]+$/.test(value) ? value : inShell(value)}\n`)
    .join('');
  return true;
}

function open(keyRing: Visit['services']['keyRing'], context: string, sealed: string): string | undefined {
  try {
    const { secret, until } = JSON.parse(keyRing.decrypt(sealed, context)) as Sealed;
    return until > Date.now() ? secret : undefined;
  } catch {
    // Whatever somebody wrote there, we did not.
    return undefined;
  }
}

const contextOf = (accountId: string, clientId: string) => `client secret file ${accountId} ${clientId}`;
