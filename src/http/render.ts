import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Eta } from 'eta';
import { IntlMessageFormat } from 'intl-messageformat';
import type { Context } from 'koa';
import { assetUrl } from './assets.ts';
import { LANGUAGES, type Language, languageLinks, languageOf } from './language.ts';

const VIEWS = join(import.meta.dirname, '../../views');

const eta = new Eta({ views: VIEWS, cache: true, autoEscape: true });

// A line break after a tag belongs to the source code. In pages it has no meaning, and the first renderer drops it.
const sourceEta = new Eta({ views: VIEWS, cache: true, autoEscape: false, autoTrim: false });

const messages = new Map(LANGUAGES.map((language) => [language, loadMessages(language)]));

export type Translate = (key: string, values?: Record<string, string | number | Date>) => string;

/** @returns a sentence in a language. @throws Error for an unknown key: a missing sentence is a defect and must not be blank. */
export function translate(language: Language, key: string, values: Record<string, string | number | Date> = {}): string {
  const message = messages.get(language)?.get(key);
  if (!message) throw new Error(`no message ${key} in views/messages/${language}.json`);
  return String(message.format(values));
}

/** Answers with a page. @param view path below `views/`, without its ending. @param data what the view reads as `it`. */
export function render(ctx: Context, view: string, data: Record<string, unknown> = {}, status = 200): void {
  const language = languageOf(ctx);
  const t: Translate = (key, values) => translate(language, key, values);
  ctx.status = status;
  ctx.type = 'html';
  ctx.set('Content-Language', language);
  ctx.vary('Accept-Language, Cookie');
  ctx.set('Cache-Control', 'no-store');
  ctx.body = eta.render(view, {
    ...data,
    language,
    t,
    languageLinks: languageLinks(ctx, language),
    assetUrl,
    operatorLinks: ctx.state.operatorLinks ?? [],
    requestId: ctx.state.requestId,
  });
}

/** Renders a view as text, for other uses than an answer. @param data as for render(). */
export function compose(language: Language, view: string, data: Record<string, unknown> = {}): string {
  const t: Translate = (key, values) => translate(language, key, values);
  return eta.render(view, { ...data, language, t });
}

/** Renders a view as source code: to the letter, with each line break. @param data as for render(). */
export const composeSource = (view: string, data: Record<string, unknown>): string => sourceEta.render(view, data);

/** The time zone of pages in a language. A page does not know its reader's zone, so it names the zone it uses. */
export function timeZoneOf(language: Language): string {
  return language === 'ko' ? 'Asia/Seoul' : 'UTC';
}

/** Formats of dates in the sentences. `hour` and `brief` are for columns whose header names the day or the zone. */
function formatsOf(language: Language) {
  const timeZone = timeZoneOf(language);
  const day = { year: 'numeric', month: 'long', day: 'numeric', timeZone } as const;
  const hour = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone } as const;
  const brief = { month: 'short', day: 'numeric', timeZone } as const;
  return { date: { day, hour, brief, moment: { ...day, hour: 'numeric', minute: '2-digit', timeZoneName: 'short' } as const } };
}

function loadMessages(language: Language): Map<string, IntlMessageFormat> {
  const texts: Record<string, string> = JSON.parse(readFileSync(join(VIEWS, `messages/${language}.json`), 'utf8'));
  const formats = formatsOf(language);
  // Plain text without tags: the view that shows a name escapes it.
  return new Map(Object.entries(texts).map(([key, text]) => [key, new IntlMessageFormat(text, language, formats, { ignoreTag: true })]));
}
