import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { asLine, findingsBelow, findingsIn } from './support/plain-words.ts';

const ROOT = resolve(import.meta.dirname, '..');

/** Whether the comments of a folder or file are plain already. One that becomes `true` stays so. */
const COMMENTS: Record<string, boolean> = {
  'src/platform': false,
  'src/http': false,
  'src/audit': false,
  'src/people': false,
  'src/oauth': false,
  'src/pages': false,
  'src/sign-in': false,
  'src/resource-api': false,
  'src/operations': false,
  'src/features': false,
  'src/main.ts': false,
  'src/server.ts': false,
  'src/feature.ts': false,
  'src/features.ts': false,
  scripts: false,
  packages: false,
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
