import type { Context, Next } from 'koa';

export const LANGUAGES = ['ko', 'en'] as const;
export type Language = (typeof LANGUAGES)[number];

const DEFAULT: Language = 'en';
const COOKIE = 'language';
const YEAR_MS = 365 * 24 * 60 * 60 * 1000;

/** Stores a user's explicit choice, `?lang=`, in a cookie. languageOf() chooses the language when an answer is written. */
export function language() {
  return (ctx: Context, next: Next) => {
    const chosen = ctx.querystring ? supported(String(ctx.query['lang'] ?? '')) : undefined;
    if (chosen) chooseLanguage(ctx, chosen);
    return next();
  };
}

/** Stores a choice made in a form, as `?lang=` does. */
export function chooseLanguage(ctx: Context, chosen: Language): void {
  ctx.cookies.set(COOKIE, chosen, { httpOnly: true, sameSite: 'lax', maxAge: YEAR_MS, signed: false });
  ctx.state.chosenLanguage = chosen;
}

/** Remembers the language of the user's profile, once the user is known. */
export function preferProfile(ctx: Context, locale: string | null): void {
  ctx.state.profileLanguage = supported(locale ?? '');
}

/** Remembers the client's `ui_locales` when it is not in the URL: an interaction page reads it from the stored request. */
export function preferLocales(ctx: Context, uiLocales: unknown): void {
  ctx.state.uiLocales = uiLocales;
}

/**
 * The language of the answer. The first of these decides: the user's choice in this browser, the user's profile, the client's `ui_locales`
 * (OIDC Core section 3.1.2.1), `Accept-Language`, English.
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
 * Links to the same page in each language. They need no JavaScript and no return address that could be abused. They are relative: a link
 * that repeats a path such as `//evil.example` would lead there.
 */
export function languageLinks(ctx: Context, shown: Language): { language: Language; href: string; current: boolean }[] {
  return LANGUAGES.map((language) => {
    const query = new URLSearchParams(ctx.state.pageQuery ?? (ctx.method === 'GET' ? ctx.querystring : ''));
    query.set('lang', language);
    return { language, href: `${ctx.state.pagePath ?? ''}?${query}`, current: language === shown };
  });
}

function accepted(ctx: Context): Language | undefined {
  // The default comes first: `*` matches the first entry, and means the same as no header.
  return ctx.headers['accept-language'] ? supported(String(ctx.acceptsLanguages([DEFAULT, ...LANGUAGES]) || '')) : undefined;
}

/** @returns the supported language that a tag names; undefined if none. */
export function supported(tag: string): Language | undefined {
  const primary = tag.toLowerCase().split('-')[0];
  return LANGUAGES.find((language) => language === primary);
}
