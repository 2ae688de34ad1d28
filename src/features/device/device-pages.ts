import type { Client, DeviceCode, ErrorOut, KoaContextWithOIDC } from 'oidc-provider';
import { auditEvent } from '../../audit/events.ts';
import { answerError } from '../../http/boundary.ts';
import { languageOf } from '../../http/language.ts';
import { render } from '../../http/render.ts';
import { visitorOf } from '../../http/visitor.ts';
import { nameOfClient } from '../../oauth/clients/display-name.ts';
import { logosOf } from '../../oauth/clients/logo/store.ts';
import { initialOf, registeredItself } from '../../oauth/consent/client-facts.ts';
import { write } from '../../oauth/store/unit-of-work.ts';
import { epochSeconds, MINUTE, systemClock } from '../../platform/clock.ts';
import { type Database, isUnavailable } from '../../platform/database.ts';

/**
 * Owns the pages of a person who answers for a device (RFC 8628 section 3.3): where the code is typed, where it is compared and said
 * whose it is, and the end. Signing in and consent come between, as for anybody: see src/interaction.
 */

export const USER_CODE_MASK = '****-****';

const ALPHABET = /^[BCDFGHJKLMNPQRSTVWXZ]{8}$/;
const LONGEST = 20;

/** What somebody typed, as far as it can be part of a code: case, hyphens, spaces and the width of letters do not matter. */
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

/** As the device shows it; what cannot be a code is not shown as one. */
function shown(typed: string): string {
  return isUserCode(typed) ? `${typed.slice(0, 4)}-${typed.slice(4)}` : typed;
}

// The library's reasons not to go on, by the names of its errors; whatever else fails at these pages is not about the code.
const PROBLEMS = {
  NoCodeError: 'missing',
  NotFoundError: 'unknown',
  ExpiredError: 'expired',
  AlreadyUsedError: 'answered',
} as const;

/** The page to type the code, again if there was something wrong with it. @param error absent when it is opened. */
async function inputPage(ctx: KoaContextWithOIDC, _form: string, out?: ErrorOut, error?: Error): Promise<void> {
  if (error?.name === 'AbortedError') return render(ctx, 'device/denied');
  if (error && (await ctx.state['repeatEnding']?.())) return keepNoSession(ctx);
  // Where a switch of language leads, and the form, from the end of an interaction too.
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

/** Who has no cookie of ours has not begun here. */
function refuseWithoutCookie(ctx: KoaContextWithOIDC): void {
  keepNoSession(ctx);
  ctx.state.pageStands = true;
  if (ctx.method === 'POST') answerError(ctx, 'form_refused', 403);
  else answerError(ctx, 'device_answered', 400);
}

/** The library would now keep a session that was never begun, and fail at it. */
function keepNoSession(ctx: KoaContextWithOIDC): void {
  Object.assign(ctx.oidc.session as object, { touched: false });
}

function problemOf(error: Error, out: ErrorOut | undefined): string | undefined {
  // Another tab was opened meanwhile, or the form is not of this browser: here is one that is.
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
 * The page to compare the code, and to say whether one has begun this oneself: a stranger may have sent the code, or a link that fills it
 * in (RFC 8628 section 5.4).
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

/** The end of a yes. The person finds it among what was done in their name: it is how a stranger's device would show. */
async function donePage(database: Database, ctx: KoaContextWithOIDC): Promise<void> {
  const { deviceInfo, accountId, clientId } = ctx.oidc.entities.DeviceCode as DeviceCode;
  const detail = { network: String(deviceInfo?.['address'] ?? ''), browser: String(deviceInfo?.['browser'] ?? '') };
  await write(database, {
    purpose: 'keep',
    subject: `device_connected ${ctx.state.requestId}`,
    statement: auditEvent(visitorOf(ctx), { type: 'device_connected', accountId, clientId, detail }),
  });
  const { client } = ctx.oidc;
  render(ctx, 'device/done', { clientName: client && nameOfClient(client, languageOf(ctx)) });
}

/** What the library asks of us for `features.deviceFlow`. */
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
