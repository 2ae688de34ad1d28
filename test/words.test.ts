import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { asLine, findingsBelow, findingsIn, textsOf } from './support/plain-words.ts';

const ROOT = resolve(import.meta.dirname, '..');

/** Whether the comments of a folder or file are plain already. One that becomes `true` stays so. */
const COMMENTS: Record<string, boolean> = {
  'src/platform': true,
  'src/http': true,
  'src/audit': true,
  'src/people': true,
  'src/oauth': true,
  'src/pages': true,
  'src/sign-in': true,
  'src/resource-api': true,
  'src/operations': true,
  'src/command-line': true,
  'src/features': true,
  'src/main.ts': true,
  'src/server.ts': true,
  'src/workers.ts': true,
  'src/feature.ts': true,
  'src/features.ts': true,
  scripts: true,
  'packages/bearer': true,
  'packages/bench': true,
};

const below = (paths: string[]) =>
  findingsBelow(paths.map((path) => resolve(ROOT, path))).map((finding) => asLine({ ...finding, file: relative(ROOT, finding.file) }));

const why = (source: string, file = 'a.ts') => findingsIn(file, source).map(({ line, why }) => `${line}: ${why}`);
const long = (count: number) => `${Array.from({ length: count }, () => 'word').join(' ')}.`;

describe('Plain English', () => {
  it('is what every page says', () => {
    assert.deepEqual(below(['views/messages/en.json']), []);
  });

  it('is what the comments of these folders say', () => {
    assert.deepEqual(below(Object.keys(COMMENTS).filter((path) => COMMENTS[path])), []);
  });

  it('has an entry for every folder and file of src', () => {
    assert.deepEqual(
      readdirSync(resolve(ROOT, 'src'))
        .map((name) => `src/${name}`)
        .filter((path) => COMMENTS[path] === undefined),
      [],
    );
  });
});

const read = (path: string) => readFileSync(resolve(ROOT, path), 'utf8');
const messages = (language: string): [string, string][] =>
  Object.entries<string>(JSON.parse(read(`views/messages/${language}.json`))).flatMap(([key, message]) =>
    textsOf(message).map((text) => [key, text]),
  );

/** The rows of the first table, which is about messages, or of all tables. `not` has the forbidden words of both languages. */
const rows = (glossary: string) =>
  [...glossary.matchAll(/^\| (?!English|---)(.+) \|$/gm)].map(([, row = '']) => {
    const [english = '', korean = '', , code = '', not = ''] = row.split(' |').map((cell) => cell.trim());
    return { english, korean, code, not: not.split(', ').filter(Boolean) };
  });

const glossary = read('docs/glossary.md');
const spoken = rows(glossary.split('## What only the code')[0] as string);

/** Words that every Korean sentence has where the English one has them. Of others the sentence may leave one out, as Korean does. */
const ALWAYS = [
  ...['operator', 'owner', 'publisher', 'scope', 'grant type', 'consent', 'deny', 'administration', 'audit log', 'request ID', 'session'],
  ...['authorization code', 'refresh token', 'client secret', 'initial access token', 'software statement', 'redirect URI'],
  ...['passkey', 'authenticator app', 'recovery code', 'sign-in method', 'developer portal'],
];

/** Whether a message uses a word; an English one as a whole, a Korean one with any particle after it. */
const uses = (text: string, word: string) =>
  /[가-힣]/.test(word) ? text.includes(word) : new RegExp(`(?<![\\w./-])${word}(?![\\w./-])`, 'i').test(text);

describe('The glossary', () => {
  it('has a row for each word, and each once', () => {
    assert.ok(spoken.length > 35);
    const words = rows(glossary).map(({ english }) => english);
    assert.deepEqual(words, [...new Set(words)]);
    assert.deepEqual(
      rows(glossary).filter(({ korean }) => korean === ''),
      [],
    );
  });

  it('has the Korean word that ko.json uses', () => {
    assert.deepEqual(
      spoken.filter(({ korean }) => !messages('ko').some(([, text]) => uses(text, korean))).map(({ korean }) => korean),
      [],
    );
  });

  it('gives these one Korean word wherever the English page has theirs', () => {
    const korean = new Map(spoken.map((row) => [row.english, row.korean]));
    const ko = new Map<string, string>(Object.entries(JSON.parse(read('views/messages/ko.json'))));
    const astray = ALWAYS.flatMap((english) =>
      messages('en')
        .filter(([key, text]) => uses(text, `${english}s?`) && !ko.get(key)?.includes(korean.get(english) ?? '?'))
        .map(([key]) => `${key}: ${english} without ${korean.get(english)}`),
    );
    assert.deepEqual([...new Set(astray)], []);
  });

  it('forbids other words for the same thing, and no message uses one', () => {
    const used = ['en', 'ko'].flatMap((language) =>
      messages(language).flatMap(([key, text]) =>
        spoken.flatMap(({ not }) => not.filter((word) => uses(text, word)).map((word) => `${language} ${key}: ${word}`)),
      ),
    );
    assert.deepEqual(used, []);
  });

  it('names places of the code that exist', () => {
    const places = rows(glossary).flatMap(({ code }) => [...code.matchAll(/`(src\/[^`]*)`/g)].map(([, place = '']) => place));
    assert.ok(places.length > 40);
    assert.deepEqual(
      places.filter((place) => !existsSync(resolve(ROOT, place))),
      [],
    );
    const models = rows(glossary).flatMap(({ code }) => [...(code.match(/^models? (?:`\w+`(?:, )?)+/)?.[0] ?? '').matchAll(/`(\w+)`/g)]);
    const schema = read('prisma/schema.prisma');
    assert.deepEqual(
      models.map(([, model]) => model).filter((model) => !schema.includes(`model ${model} {`)),
      [],
    );
  });
});

describe('The reader of sentences', () => {
  it('finds a sentence of more than 30 words, also where it runs over lines', () => {
    assert.deepEqual(why(`// ${long(30)}`), []);
    assert.deepEqual(why(`// ${long(31)}`), ['1: 31 words']);
    assert.deepEqual(why(`\n/**\n * ${long(16).slice(0, -1)}\n * ${long(15)}\n */`), ['3: 31 words']);
    assert.deepEqual(why(`/**\n * ${long(16)}\n * @returns ${long(15)}\n */`), []);
  });

  it('finds the words of the list in every kind of comment, and in no code', () => {
    assert.deepEqual(why('const a = 1; // nobody’s'), ['1: “nobody’s”']);
    assert.deepEqual(why('/* Written anew. */'), ['1: “anew”']);
    assert.deepEqual(why("const whoever = 'anew // whatever';"), []);
    assert.deepEqual(why('// The column `lately`.'), []);
  });

  it('reads each branch of a message', () => {
    const message = (text: string) => `{\n  "key": ${JSON.stringify(text)}\n}`;
    assert.deepEqual(why(message('{n, plural, one {# try lately} other {# tries}} {name}.'), 'en.json'), ['2: “lately”']);
    assert.deepEqual(why(message(`{n, plural, one {${long(20)}} other {${long(20)}}}`), 'en.json'), []);
  });
});
