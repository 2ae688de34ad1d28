import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, it } from 'node:test';

/** Owns what is checked of every document: that what it names exists, that twins are in step, and how long the README is. */

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const DOCUMENTS = ['README.md', 'README.ko.md', 'CONTRIBUTING.md', 'SECURITY.md', ...globSync('docs/**/*.md', { cwd: ROOT })].sort();

// It lists the words that stay out.
const GLOSSARY = 'docs/glossary.md';

const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, found]) => String(found));
const withoutCode = (text: string) => text.replace(/```[\s\S]*?```/g, '');

/** As GitHub makes an anchor of a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');
const anchorsIn = (file: string) => all(withoutCode(read(file)), /^#{1,6} (.+)$/gm).map(anchorOf);

function brokenLinks(file: string): string[] {
  const text = withoutCode(read(file));
  const targets = [...all(text, /\]\(([^)\s]+)\)/g), ...all(text, /src="([^"]+)"/g)].filter((target) => !/^(https?|mailto):/.test(target));
  return targets.filter((target) => {
    const [path = '', anchor] = target.split('#');
    const place = path ? join(dirname(file), path) : file;
    if (!existsSync(join(ROOT, place))) return true;
    return anchor !== undefined && !anchorsIn(place).includes(anchor);
  });
}

// Of the conformance suite's repository, not of this one.
const ELSEWHERE = ['scripts/run-test-plan.py'];
const PLACEHOLDER = /\/(NAME|NNNN)\b/;

/** What begins with a folder of this repository, anywhere in the text, and what looks like a file between backticks. */
function pathsIn(text: string): string[] {
  const full = all(text, /(?<![\w./:@*-])((?:src|test|scripts|docs|views|prisma|examples)\/[\w./-]*\w\/?)/g);
  const short = all(text, /`([\w-]+(?:\/[\w.-]+)*\/[\w.-]+\.(?:ts|mjs|cjs|eta|json|md|sql|yaml|prisma))`/g);
  const bare = all(text, /`([\w-]+\.ts)`/g);
  return [...new Set([...full, ...short, ...bare])].filter((path) => !ELSEWHERE.includes(path) && !PLACEHOLDER.test(path));
}

const NAMES = new Set(globSync('{src,scripts,test}/**/*.ts', { cwd: ROOT }).map((file) => basename(file)));

/** A path from the root, or from src/ as storage.md has them; a bare name is that of any file. */
const exists = (path: string) =>
  path.includes('/') ? ['', 'src'].some((folder) => existsSync(join(ROOT, folder, path))) : NAMES.has(path);

describe('Documents', () => {
  it('name files and folders that exist', () => {
    const missing = DOCUMENTS.flatMap((file) =>
      pathsIn(read(file))
        .filter((path) => !exists(path))
        .map((path) => `${file}: ${path}`),
    );
    assert.deepEqual(missing, []);
  });

  it('link to files and headings that exist', () => {
    const broken = DOCUMENTS.flatMap((file) => brokenLinks(file).map((target) => `${file}: ${target}`));
    assert.deepEqual(broken, []);
  });

  it('find paths and broken links', () => {
    const found = pathsIn('`oauth/nowhere.ts`, see src/nowhere/, `nowhere.ts` and https://a.example/src/x.ts');
    assert.deepEqual(found, ['src/nowhere/', 'oauth/nowhere.ts', 'nowhere.ts']);
    assert.deepEqual(found.filter(exists), []);
    assert.equal(anchorOf("What doesn't work, and why"), 'what-doesnt-work-and-why');
  });

  it('are each reached from the README, by links', () => {
    const reached = new Set(['README.md', 'README.ko.md']);
    for (const file of reached)
      for (const target of all(withoutCode(read(file)), /\]\(([^)#\s]+\.md)(?:#[^)]*)?\)/g).filter((one) => !one.startsWith('http')))
        if (existsSync(join(ROOT, dirname(file), target))) reached.add(join(dirname(file), target));
    assert.deepEqual(
      DOCUMENTS.filter((file) => file !== GLOSSARY && !reached.has(file)),
      [],
    );
  });

  it('say no word that hides a plain one', () => {
    const words =
      /\b(whoever|whatever|whose it is|who does so|anew|at present|lately|nobody's|is told|is kept|is gone|in the place of|as good as)\b/gi;
    const said = DOCUMENTS.filter((file) => file !== GLOSSARY).flatMap((file) => all(read(file), words).map((word) => `${file}: ${word}`));
    assert.deepEqual(said, []);
  });
});

describe('The README', () => {
  for (const file of ['README.md', 'README.ko.md'])
    it(`${file} has 150 lines at most`, () => {
      assert(read(file).split('\n').length <= 150);
    });
});

describe('Korean twins', () => {
  const twins = DOCUMENTS.filter((file) => file.endsWith('.ko.md'));
  /** The levels of headings, and every block of code but its comments, in order. */
  const shapeOf = (file: string) => ({
    headings: all(withoutCode(read(file)), /^(#{1,6}) /gm),
    blocks: all(read(file), /```(\w+)\n/g),
    tables: all(withoutCode(read(file)), /^(\|[-:|]+\|)$/gm),
  });

  it('are there for the README, the tour and every guide', () => {
    const wanted = ['README.md', 'docs/tour.md', ...globSync('docs/guides/*.md', { cwd: ROOT }).filter((file) => !file.endsWith('.ko.md'))];
    assert.deepEqual(
      wanted.map((file) => file.replace(/\.md$/, '.ko.md')).filter((file) => !twins.includes(file)),
      [],
    );
  });

  for (const file of twins)
    it(`${file} has the headings, blocks and tables of its English twin`, () => {
      assert.deepEqual(shapeOf(file), shapeOf(file.replace('.ko.md', '.md')));
    });
});

describe('Decisions', () => {
  it('are numbered without a gap, and each is in the index', () => {
    const records = globSync('docs/decisions/*.md', { cwd: ROOT })
      .map((file) => file.split('/').at(-1) as string)
      .filter((name) => name !== 'README.md')
      .sort();
    const index = read('docs/decisions/README.md');
    records.forEach((name, n) => {
      assert.match(name, new RegExp(`^${String(n + 1).padStart(4, '0')}-[a-z0-9-]+\\.md$`));
      assert(index.includes(`(${name})`), `docs/decisions/README.md does not list ${name}`);
    });
  });
});

describe('docs/operate/log-events.md', () => {
  it('has every event that the source logs', () => {
    const source = globSync('src/**/*.ts', { cwd: ROOT, exclude: ['src/platform/prisma/**'] }).map(read);
    const events = [...new Set(source.flatMap((text) => all(text, /\bevent: '([a-z_]+)'/g)))];
    const page = read('docs/operate/log-events.md');
    assert(events.length > 30);
    assert.deepEqual(
      events.filter((event) => !page.includes(`\`${event}\``)),
      [],
    );
  });
});

describe('docs/architecture.md', () => {
  it('names every member of the contract of features, every feature and every room', () => {
    const page = read('docs/architecture.md');
    const members = ['src/feature.ts', 'src/oauth/feature.ts', 'src/sign-in/feature.ts', 'src/pages/feature.ts'].flatMap((file) => {
      const [, body = ''] = /type \w+Feature = \{\n([\s\S]*?)\n\};/.exec(read(file)) ?? [];
      return all(body, /^ {2}(\w+)\??[:(]/gm);
    });
    assert(members.length > 25);
    const rooms = globSync('src/{*,features/*,oauth/*}/', { cwd: ROOT }).map((folder) => `${folder.replace(/\/$/, '')}/`);
    assert.deepEqual(
      [...members, ...rooms].filter((name) => !page.includes(`\`${name}\``)),
      [],
    );
  });
});
