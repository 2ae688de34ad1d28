import type { Context, Next } from 'koa';

export const LANGUAGES = ['ko', 'en'] as const;
export type Language = (typeof LANGUAGES)[number];

const DEFAULT: Language = 'en';
const COOKIE = 'language';
const YEAR_MS = 365 * 24 * 60 * 60 * 1000;

/** Keeps a person's explicit choice, `?lang=`, in a cookie. What language an answer is in is settled when there is one to write: languageOf(). */
export function language() {
  return (ctx: Context, next: Next) => {
    const chosen = ctx.querystring ? supported(String(ctx.query['lang'] ?? '')) : undefined;
    if (chosen) chooseLanguage(ctx, chosen);
    return next();
  };
}

/** Keeps a choice that was made in a form, as `?lang=` does. */
export function chooseLanguage(ctx: Context, chosen: Language): void {
  ctx.cookies.set(COOKIE, chosen, { httpOnly: true, sameSite: 'lax', maxAge: YEAR_MS, signed: false });
  ctx.state.chosenLanguage = chosen;
}

/** Takes note of the language in a person's profile, once it is known whose browser this is. */
export function preferProfile(ctx: Context, locale: string | null): void {
  ctx.state.profileLanguage = supported(locale ?? '');
}

/** Takes note of the client's wish where it is not in the address: an interaction page reads it from the stored request. */
export function preferLocales(ctx: Context, uiLocales: unknown): void {
  ctx.state.uiLocales = uiLocales;
}

/**
 * The language of the answer: the person's explicit choice, in this browser or else in their profile, then what the client asked for (`ui_locales`, OIDC Core
 * section 3.1.2.1), then what the browser prefers, then English.
 */
export function languageOf(ctx: Context): Language {
  const wished = ctx.state.uiLocales ?? ctx.query['ui_locales'];
  return (
    ctx.state.chosenLanguage ??
    supported(ctx.cookies.get(COOKIE, { signed: false }) ?? '') ??
    ctx.state.profileLanguage ??
    (typeof wished === 'string' ? wished.split(' ').map(supported).find(Boolean) : undefined) ??
    accepted(ctx) ??
    DEFAULT
  );
}

/**
 * This page's own address with another language: a switch without JavaScript and without a return address to abuse.
 * It is written relative to the page: a path such as `//evil.example`, repeated in a link, would lead there.
 */
export function languageLinks(ctx: Context, shown: Language): { language: Language; href: string; current: boolean }[] {
  return LANGUAGES.map((language) => {
    const query = new URLSearchParams(ctx.state.pageQuery ?? (ctx.method === 'GET' ? ctx.querystring : ''));
    query.set('lang', language);
    return { language, href: `${ctx.state.pagePath ?? ''}?${query}`, current: language === shown };
  });
}

function accepted(ctx: Context): Language | undefined {
  // The default stands first: `*` takes what comes first, and says no more than no header does.
  return ctx.headers['accept-language'] ? supported(String(ctx.acceptsLanguages([DEFAULT, ...LANGUAGES]) || '')) : undefined;
}

/** The language of ours that a tag names, if one does. */
export function supported(tag: string): Language | undefined {
  const primary = tag.toLowerCase().split('-')[0];
  return LANGUAGES.find((language) => language === primary);
}
