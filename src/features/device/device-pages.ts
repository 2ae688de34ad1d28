import type { Client, DeviceCode, ErrorOut, KoaContextWithOIDC } from 'oidc-provider';
import { recordEvent } from '../../audit/events.ts';
import { answerError } from '../../http/boundary.ts';
import { languageOf } from '../../http/language.ts';
import { render } from '../../http/render.ts';
import { visitorOf } from '../../http/visitor.ts';
import { nameOfClient } from '../../oauth/clients/display-name.ts';
import { logosOf } from '../../oauth/clients/logos.ts';
import { initialOf, registeredItself } from '../../oauth/consent/client-facts.ts';
import { write } from '../../oauth/store/unit-of-work.ts';
import { epochSeconds, MINUTE, systemClock } from '../../platform/clock.ts';
import { type Database, isUnavailable } from '../../platform/database.ts';

/**
 * Owns the pages on which a user answers for a device (RFC 8628 section 3.3): entering the code, comparing and confirming it, and the
 * result. Sign-in and consent come in between as usual: see src/sign-in.
 */

export const USER_CODE_MASK = '****-****';

const ALPHABET = /^[BCDFGHJKLMNPQRSTVWXZ]{8}$/;
const LONGEST = 20;

/** @returns the typed text reduced to characters of a code. Case, hyphens, spaces and full-width letters do not matter. */
export function typedUserCode(text: string | null | undefined): string {
  return (text ?? '')
    .slice(0, 4 * LONGEST)
    .normalize('NFKC')
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, '')
    .slice(0, LONGEST);
}

export function isUserCode(typed: string): boolean {
  return ALPHABET.test(typed);
}

/** @returns the code as the device shows it; any other text unchanged. */
function shown(typed: string): string {
  return isUserCode(typed) ? `${typed.slice(0, 4)}-${typed.slice(4)}` : typed;
}

// The library's errors about the code, by name. Any other error on these pages is not about the code.
const PROBLEMS = {
  NoCodeError: 'missing',
  NotFoundError: 'unknown',
  ExpiredError: 'expired',
  AlreadyUsedError: 'answered',
} as const;

/** Renders the page to enter the code, with the problem of the previous try. @param error absent when the page is first opened. */
async function inputPage(ctx: KoaContextWithOIDC, _form: string, out?: ErrorOut, error?: Error): Promise<void> {
  if (error?.name === 'AbortedError') return render(ctx, 'device/denied');
  if (error && (await ctx.state['repeatEnding']?.())) return keepNoSession(ctx);
  // The language switch and the form lead here, also after the end of an interaction.
  ctx.state.pagePath = '/device';
  if (error && (ctx.oidc.session as { new?: boolean } | undefined)?.new) return refuseWithoutCookie(ctx);
  const problem = error && problemOf(error, out);
  if (error && !problem) return failed(ctx, out, error);
  if (problem) ctx.state.logged = { ...ctx.state.logged, error: 'user_code_refused', reason: error?.message };
  const typed = String(ctx.state.typedUserCode ?? '');
  const xsrf = ctx.oidc.session?.state?.['secret'];
  const userCode = problem || isUserCode(typed) ? shown(typed) : '';
  render(ctx, 'device/input', { action: '/device', xsrf, problem: problem && { [problem]: true }, userCode }, problem ? 400 : 200);
}

/** A browser without our cookie has not begun the flow here. */
function refuseWithoutCookie(ctx: KoaContextWithOIDC): void {
  keepNoSession(ctx);
  ctx.state.pageStands = true;
  if (ctx.method === 'POST') answerError(ctx, 'form_refused', 403);
  else answerError(ctx, 'device_answered', 400);
}

/** Keeps the library from saving a session that never began, which would fail. */
function keepNoSession(ctx: KoaContextWithOIDC): void {
  Object.assign(ctx.oidc.session as object, { touched: false });
}

function problemOf(error: Error, out: ErrorOut | undefined): string | undefined {
  // Another tab was opened in the meantime, or the form is from another browser: show a new form.
  if (/^(xsrf token invalid|could not find device form details)$/.test(out?.error_description ?? '')) return 'stale';
  return PROBLEMS[error.name as keyof typeof PROBLEMS];
}

function failed(ctx: KoaContextWithOIDC, out: ErrorOut | undefined, error: Error): void {
  const unavailable = isUnavailable(error);
  const code = unavailable
    ? 'temporarily_unavailable'
    : error.name === 'SessionNotFound'
      ? 'device_answered'
      : out?.error === 'server_error'
        ? 'server_error'
        : 'device_refused';
  answerError(ctx, code, unavailable ? 503 : ctx.status, {
    error: String(out?.error),
    ...(out?.error_description ? { error_description: out.error_description } : undefined),
  });
}

/**
 * Renders the page on which the user compares the code and confirms having started the sign-in. An attacker may have sent the code, or a
 * link that fills it in (RFC 8628 section 5.4).
 */
async function confirmPage(
  database: Database,
  ctx: KoaContextWithOIDC,
  client: Client,
  deviceInfo: Record<string, unknown>,
): Promise<void> {
  const typed = String(ctx.state.typedUserCode);
  ctx.state.pageQuery = { user_code: typed };
  const askedAt = (ctx.oidc.entities.DeviceCode as { iat?: number } | undefined)?.iat ?? 0;
  const name = nameOfClient(client, languageOf(ctx));
  const logo = (await logosOf(database, [client.clientId])).get(client.clientId);
  render(ctx, 'device/confirm', {
    action: ctx.path,
    xsrf: ctx.oidc.session?.state?.['secret'],
    userCode: shown(typed),
    client: {
      name,
      initial: initialOf(name),
      logo,
      publisher: client['publisher'],
      selfRegistered: registeredItself(client),
    },
    minutesAgo: Math.max(0, Math.floor((epochSeconds(systemClock.now()) - askedAt) / MINUTE)),
    network: deviceInfo['address'],
    browser: deviceInfo['browser'],
  });
}

/** Ends an approval. The event appears in the user's activity, which is how the user can notice an attacker's device. */
async function donePage(database: Database, ctx: KoaContextWithOIDC): Promise<void> {
  const { deviceInfo, accountId, clientId } = ctx.oidc.entities.DeviceCode as DeviceCode;
  const detail = { network: String(deviceInfo?.['address'] ?? ''), browser: String(deviceInfo?.['browser'] ?? '') };
  await write(database, {
    purpose: 'keep',
    subject: `device_connected ${ctx.state.requestId}`,
    statement: recordEvent(visitorOf(ctx), { type: 'device_connected', accountId, clientId, detail }),
  });
  const { client } = ctx.oidc;
  render(ctx, 'device/done', { clientName: client && nameOfClient(client, languageOf(ctx)) });
}

/** @returns the functions that the library calls for `features.deviceFlow`. */
export function createDevicePages(database: Database) {
  return {
    deviceInfo(ctx: KoaContextWithOIDC): Record<string, unknown> {
      const { address, browser } = visitorOf(ctx);
      return { address, browser };
    },
    userCodeInputSource: inputPage,
    userCodeConfirmSource: (ctx: KoaContextWithOIDC, _form: string, client: Client, deviceInfo: Record<string, unknown>) =>
      confirmPage(database, ctx, client, deviceInfo),
    successSource: (ctx: KoaContextWithOIDC) => donePage(database, ctx),
  };
}
