import type { Context, Next } from 'koa';

export const LANGUAGES = ['ko', 'en'] as const;
export type Language = (typeof LANGUAGES)[number];

const DEFAULT: Language = 'en';
const COOKIE = 'language';
const YEAR_MS = 365 * 24 * 60 * 60 * 1000;

/**
 * Settles the language of the answer: the person's explicit choice (`?lang=`, kept in a cookie), then what the client asked
 * for (`ui_locales`, OIDC Core section 3.1.2.1), then what the browser prefers, then English.
 */
export function language() {
  return (ctx: Context, next: Next) => {
    const chosen = supported(String(ctx.query['lang'] ?? ''));
    if (chosen) ctx.cookies.set(COOKIE, chosen, { httpOnly: true, sameSite: 'lax', maxAge: YEAR_MS, signed: false });
    ctx.state.chosenLanguage = chosen ?? supported(ctx.cookies.get(COOKIE, { signed: false }) ?? '');
    preferLocales(ctx, typeof ctx.query['ui_locales'] === 'string' ? ctx.query['ui_locales'] : undefined);
    return next();
  };
}

/** Takes the client's wish into account once it is known: an interaction page reads it from the stored request. */
export function preferLocales(ctx: Context, uiLocales: string | undefined): void {
  const wished = uiLocales?.split(' ').map(supported).find(Boolean);
  ctx.state.language = ctx.state.chosenLanguage ?? wished ?? accepted(ctx) ?? DEFAULT;
}

/**
 * This page's own address with another language: a switch without JavaScript and without a return address to abuse.
 * It is written relative to the page: a path such as `//evil.example`, repeated in a link, would lead there.
 */
export function languageLinks(ctx: Context): { language: Language; href: string; current: boolean }[] {
  return LANGUAGES.map((language) => {
    const query = new URLSearchParams(ctx.method === 'GET' ? ctx.querystring : '');
    query.set('lang', language);
    return { language, href: `${ctx.state.pagePath ?? ''}?${query}`, current: language === ctx.state.language };
  });
}

function accepted(ctx: Context): Language | undefined {
  // The default stands first: `*` takes what comes first, and says no more than no header does.
  return ctx.headers['accept-language'] ? supported(String(ctx.acceptsLanguages([DEFAULT, ...LANGUAGES]) || '')) : undefined;
}

function supported(tag: string): Language | undefined {
  const primary = tag.toLowerCase().split('-')[0];
  return LANGUAGES.find((language) => language === primary);
}
