import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { IntlMessageFormat } from 'intl-messageformat';

/** Every sentence a person can meet exists in both languages, and no other does. */

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const messages = (language: string): Record<string, string> => JSON.parse(read(`views/messages/${language}.json`));
const [ko, en] = [messages('ko'), messages('en')];
const views = globSync('views/**/*.eta', { cwd: ROOT }).map(read);
const source = globSync('src/**/*.ts', { cwd: ROOT, exclude: ['src/platform/prisma/**'] }).map(read);

const all = (texts: string[], pattern: RegExp) => [
  ...new Set(texts.flatMap((text) => [...text.matchAll(pattern)].map((match) => match[1] as string))),
];

// What stands in quotes between the brackets of a call, so that a key may be chosen there.
const asked = all(all(views, /it\.t\(([^()]+)\)/g), /'([a-z_]+(?:\.[a-z_]+)*)'/g);
// Keys that a view puts together: the language's own name, and the two sentences of an error code.
const built = ["it.t('language.' + language)", "it.t('error.' + it.code + '.title')", "it.t('error.' + it.code + '.text')"];
// Each thing that can happen to an account, which its page of activity lists.
const events = () => all(all(source, /export type EventType =([^;]+);/g), CODE).map((type) => `activity.${type}`);
const CODE = /'([a-z_]+)'/g;
const codes = [
  ...all(source, /new AppError\('(\w+)'/g),
  // Where a code is chosen rather than named.
  ...all(all(source, /\bcode(?: =|:) ([^;,]*'[a-z_]+'[^;,]*)/g), CODE),
  ...all(all(source, /const KNOWN = new Set\(\[([^\]]+)\]/g), CODE),
];

describe('Messages', () => {
  it('are the same keys in Korean and English', () => {
    assert.deepEqual(Object.keys(ko).sort(), Object.keys(en).sort());
  });

  it('name the same placeholders in Korean and English', () => {
    for (const key of Object.keys(ko)) assert.deepEqual(placeholders(ko[key] as string), placeholders(en[key] as string), key);
  });

  it('exist for every key that a view or the source asks for', () => {
    assert(asked.length > 30, 'the keys were found');
    assert.deepEqual(
      [...asked, ...all(source, /translate\([^,]+, '([^']+)'/g)].filter((key) => !(key in en)),
      [],
    );
  });

  it('exist for every error code that a person can be shown', () => {
    assert(
      codes.includes('form_refused') && codes.includes('interaction_expired') && codes.includes('server_error'),
      'the codes were found',
    );
    assert.deepEqual(
      codes.flatMap((code) => [`error.${code}.title`, `error.${code}.text`]).filter((key) => !(key in en)),
      [],
    );
  });

  it('are all used', () => {
    assert.deepEqual(
      all(views, /(it\.t\('[^']+' \+[^)]+\))/g).filter((expression) => !built.includes(expression)),
      [],
      'a key is built that this test does not know of',
    );
    const used = new Set([
      ...asked,
      ...events(),
      'language.ko',
      'language.en',
      ...codes.flatMap((code) => [`error.${code}.title`, `error.${code}.text`]),
    ]);
    assert.deepEqual(
      Object.keys(en).filter((key) => !used.has(key)),
      [],
    );
  });

  it('are written in one voice: Korean sentences end in 해요체', () => {
    const sentences = Object.entries(ko).flatMap(([key, text]) =>
      text
        .split(/(?<=[.?])\s+/)
        .filter((sentence) => /[.?]$/.test(sentence))
        .map((sentence) => ({ key, sentence })),
    );
    assert(sentences.length > 30);
    assert.deepEqual(
      sentences.filter(({ sentence }) => !/(요|\})[.?]$/.test(sentence)),
      [],
    );
  });
});

/** Names and kinds of the arguments, such as `date:date`. */
function placeholders(text: string): string[] {
  return new IntlMessageFormat(text, 'en', undefined, { ignoreTag: true })
    .getAst()
    .flatMap((part) => (part.type === 0 || part.type === 7 ? [] : [`${part.value}:${part.type}`]))
    .sort();
}
