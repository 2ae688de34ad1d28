import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { IntlMessageFormat } from 'intl-messageformat';
import { causeNames } from '../../src/features/developer/errors/error-causes.ts';
import { LANGUAGES } from '../../src/http/language.ts';
import { DIFFERENCES } from '../../src/oauth/clients/redirect-difference.ts';
import { NEEDED_FOR } from '../../src/pages/fresh-proof.ts';
import { CHANGES } from '../../src/people/not-me.ts';

/** Every sentence a person can meet exists in both languages, and no other does. */

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const messages = (language: string): Record<string, string> => JSON.parse(read(`views/messages/${language}.json`));
const [ko, en] = [messages('ko'), messages('en')];
const views = globSync('views/**/*.eta', { cwd: ROOT }).map(read);
// What the admin API says is read by programs, and their developers: its problems have titles of their own.
const source = globSync('src/**/*.ts', { cwd: ROOT, exclude: ['src/platform/prisma/**', 'src/admin/api/**'] }).map(read);

const all = (texts: string[], pattern: RegExp) => [
  ...new Set(texts.flatMap((text) => [...text.matchAll(pattern)].map((match) => match[1] as string))),
];

// Keys that are named: by a view as the first of what it.t() is given, or chosen between the brackets; by the source in translate().
const KEY = /'([a-z_]+(?:\.[a-z_]+)*)'/g;
const named = [
  ...all(views, /it\.t\(\s*'([a-z_.]*[a-z_])'\s*[,)]/g),
  ...all(all(views, /it\.t\(([^(),]+)[,)]/g), KEY),
  ...all(source, /translate\([^,]+, '([^']+)'/g),
];

// Keys that are put together, by what they begin with: in a view it.t('error.' + …), in the source translate(language, `error.${…}`).
// Events have theirs by their type's own promise, see audit/events.ts.
// What is wrong with a redirect URI, or a link, has its by its type's own promise as well, see oauth/clients/redirect-uri.ts and web-link.ts.
const beginnings = [
  'activity.',
  'redirect_uri.',
  'link.',
  ...all(views, /it\.t\(\s*'([a-z_.]+\.)' \+/g),
  ...all(source, /translate\([^,`]+, `([a-z_.]+\.)\$\{/g),
];
const CODE = /'([a-z_]+)'/g;
const codes = [
  ...all(source, /new AppError\('(\w+)'/g),
  // Where a code is chosen rather than named.
  ...all(all(source, /\bcode(?: =|:) ([^;,]*'[a-z_]+'[^;,]*)/g), CODE),
  ...all(all(source, /const KNOWN = new Set\(\[([^\]]+)\]/g), CODE),
];
const letters = all(all(source, /export type Letters = \{([\s\S]+?)\n\};/g), /^ {2}(\w+):/gm);

// These have a link to say that it was not you, and one sentence about it.
const alarms = all(all(source, /export type Letters = \{([\s\S]+?)\n\};/g), /^ {2}(\w+): Own & NotMe/gm);

/** All that follows such a beginning. Of one that is not named here the test knows only that there must be some. */
const families: Record<string, string[]> = {
  'language.': [...LANGUAGES],
  'not_me.change.': [...CHANGES],
  'error.': codes.flatMap((code) => [`${code}.title`, `${code}.text`]),
  'connect.problem.': all(all([read('src/features/federation/services/connecting.ts')], /new Set<ConnectProblem>\(\[([^\]]+)\]/g), CODE),
  'redirect_uri.': all(all(source, /export type UriFault =([^;]+);/g), CODE),
  'logo.problem.': all(source, /export type (?:Logo|Picture)Problem =([^;]+);/g).flatMap((text) => all([text], CODE)),
  'link.': all(all(source, /export type LinkFault =([^;]+);/g), CODE),
  'activity.': all(all(source, /export type EventType =([^;]+);/g), CODE),
  'mail.': letters.flatMap((letter) =>
    [
      'subject',
      'lead',
      ...(alarms.includes(letter) ? [] : ['not_you']),
      ...(['no_account', 'prove_mailbox'].includes(letter) ? [] : ['link']),
    ].map((part) => `${letter}.${part}`),
  ),
  'redirect.': [...DIFFERENCES],
  'account.proof.why.': Object.keys(NEEDED_FOR).map((name) => name.replace('-', '_')),
  'openings.kind.': all(all([read('src/people/openings.ts')], /export type OpeningKind =([^;]+);/g), CODE),
  'developer.cause.': causeNames(),
  'developer.cure.': causeNames(),
  'developer.endpoint.': all([read('src/features/developer/errors/error-book.ts')], /'[a-z_.]+': '([a-z_]+)',/g),
  'developer.snippet.': all(all([read('src/features/developer/snippets/snippets.ts')], /const FILES = \[([^\]]+)\]/g), CODE),
  'mail.fact.': all([read('src/http/letters.ts')], /(?:\[|: )t\('([a-z_]+)'\)/g),
};
const built = beginnings.flatMap((beginning) => (families[beginning] ?? []).map((end) => beginning + end));

describe('Messages', () => {
  it('are the same keys in Korean and English', () => {
    assert.deepEqual(Object.keys(ko).sort(), Object.keys(en).sort());
  });

  it('are each there once: of two, the last would silently count', () => {
    for (const language of LANGUAGES) {
      const keys = [...read(`views/messages/${language}.json`).matchAll(/^ *"([a-z_.]+)": /gm)].map(([, key]) => key);
      assert.deepEqual(
        keys.filter((key, n) => keys.indexOf(key) !== n),
        [],
      );
      assert.equal(keys.length, Object.keys(en).length);
    }
  });

  it('name the same placeholders in Korean and English', () => {
    for (const key of Object.keys(ko)) assert.deepEqual(placeholders(ko[key] as string), placeholders(en[key] as string), key);
  });

  it('exist for every key that a view or the source asks for', () => {
    assert(named.length > 100 && built.length > 50, 'the keys were found');
    assert.deepEqual(
      [...named, ...built].filter((key) => !(key in en)),
      [],
    );
    for (const beginning of beginnings)
      assert(
        Object.keys(en).some((key) => key.startsWith(beginning)),
        beginning,
      );
  });

  it('exist for every error code that a person can be shown', () => {
    assert(
      codes.includes('form_refused') && codes.includes('interaction_expired') && codes.includes('server_error'),
      'the codes were found',
    );
    assert(built.includes('error.form_refused.title'));
  });

  it('are all used', () => {
    // Wherever the source has a key in quotes it is for use, by whatever way it goes.
    const used = new Set([...named, ...built, ...all(source, KEY)]);
    const unknown = beginnings.filter((beginning) => !(beginning in families));
    assert.deepEqual(
      Object.keys(en).filter((key) => !used.has(key) && !unknown.some((beginning) => key.startsWith(beginning))),
      [],
    );
  });

  it('are all that a view has to say: none has words of its own', () => {
    // Code to copy is in its own language, and its comments are in that of all code.
    for (const path of globSync('views/**/*.eta', { cwd: ROOT, exclude: ['views/developer/{snippets,quick-starts}/**'] })) {
      const html = read(path)
        .replace(/<%[\s\S]*?%>/g, '')
        .replace(/<style>[\s\S]*?<\/style>|<!--[\s\S]*?-->|&\w+;/g, '');
      const spoken = [...html.matchAll(/\s(?:alt|title|placeholder|aria-label|aria-description)="([^"]*)"/g)].map(([, text]) => text);
      const words = [...spoken, html.replace(/<[^>]*>/g, '')].join(' ');
      assert.doesNotMatch(words, /\p{L}/u, path);
    }
  });

  it('put a noun after a name: no Korean particle that depends on the last sound of what it follows', () => {
    const particle = /^(을|를|이|가|은|는|와|과|로|으로|아|야|이에요|예요|이라고|라고)(?![가-힣])/;
    assert(
      particle.test('을 허용해요') &&
        particle.test('이에요.') &&
        !particle.test(' 앱이') &&
        !particle.test('에') &&
        !particle.test('이메일'),
    );
    const afterPlaceholder = Object.entries(ko).filter(([, text]) =>
      text
        .split('}')
        .slice(1)
        .some((rest) => particle.test(rest)),
    );
    // A name that is set apart, and the sentence that goes on right behind it.
    const afterName = all(all(views, /<\/bdi><%= it\.t\(([^()]+)\)/g), KEY);
    assert(afterName.includes('login.continue_to'), 'the sentences were found');
    assert.deepEqual([...afterPlaceholder.map(([key]) => key), ...afterName.filter((key) => particle.test(ko[key] as string))], []);
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

/** Names and kinds of the arguments, such as `date:3`, those within a choice too. */
function placeholders(text: string): string[] {
  return argumentsOf(new IntlMessageFormat(text, 'en', undefined, { ignoreTag: true }).getAst());
}

type Part = ReturnType<IntlMessageFormat['getAst']>[number];
// As the formatter's own parser numbers them.
const LITERAL = 0;
const SELECT = 5;
const POUND = 7;

function argumentsOf(parts: Part[]): string[] {
  const found = parts.flatMap((part): string[] => {
    if (part.type === LITERAL || part.type === POUND) return [];
    const options = 'options' in part ? Object.entries(part.options) : [];
    // What a plural distinguishes differs between languages; what there is to choose from does not.
    const choices = options.map(([choice]) => `${part.value}=${choice}`);
    return [
      `${part.value}:${part.type}`,
      ...(part.type === SELECT ? choices : []),
      ...options.flatMap(([, { value }]) => argumentsOf(value)),
    ];
  });
  return [...new Set(found)].sort();
}
