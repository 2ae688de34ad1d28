import type { Context, Next } from 'koa';

/**
 * Headers of every response. Pages load only their own style and fonts, and are never framed (RFC 9700 section 4.16). They send no Referer,
 * so that no code or state leaks through one (RFC 9700 section 4.2.4). `script-src` is explicit because the library adds the hash of its
 * form_post script only to a policy that has one.
 */
export function securityHeaders(issuer: string) {
  const headers = headersOfEveryResponse(issuer);
  return (ctx: Context, next: Next) => {
    ctx.state.formActions = [];
    ctx.set(headers);
    return next();
  };
}

/** The same headers for answers outside the application. */
export function headersOfEveryResponse(issuer: string): Record<string, string> {
  return {
    'Content-Security-Policy': contentSecurityPolicy([]),
    'X-Frame-Options': 'DENY',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
    'Cross-Origin-Opener-Policy': 'same-origin',
    ...(issuer.startsWith('https:') ? { 'Strict-Transport-Security': 'max-age=63072000; includeSubDomains' } : undefined),
  };
}

/**
 * Lets this page's form end at a client. Browsers apply `form-action` also to the redirect that answers a form, and drop it silently. Call
 * it with a validated redirect URI, never with one as sent. A request from a device has none: its form ends at this server.
 */
export function allowFormAction(ctx: Context, redirectUri: string): void {
  const url = URL.parse(redirectUri);
  if (!url) return;
  const { protocol, origin, hostname } = url;
  // A policy can name an app's own scheme, but no IPv6 address (CSP level 3 section 2.3.1): for [::1] it names the scheme only. The same
  // applies to a host with a character that has a meaning in a policy. Such a host may have been registered before hosts were checked.
  const nameable = (protocol === 'https:' || protocol === 'http:') && /^[a-z0-9._-]+$/.test(hostname);
  ctx.state.formActions.push(nameable ? origin : protocol);
  const current = ctx.response.get('Content-Security-Policy');
  ctx.set('Content-Security-Policy', current.replace(/form-action [^;]*/, `form-action ${["'self'", ...ctx.state.formActions].join(' ')}`));
}

/** Lets this page's scripts send requests to this server, such as for the challenge of a passkey. */
export function allowOwnRequests(ctx: Context): void {
  ctx.set('Content-Security-Policy', `${ctx.response.get('Content-Security-Policy')}; connect-src 'self'`);
}

function contentSecurityPolicy(formActions: string[]): string {
  return [
    "default-src 'none'",
    "style-src 'self'",
    "font-src 'self'",
    "img-src 'self' data:",
    "script-src 'self'",
    `form-action ${["'self'", ...formActions].join(' ')}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ');
}
