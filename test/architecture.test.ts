import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, it } from 'node:test';

const SRC = resolve(import.meta.dirname, '../src');

/**
 * The house: a file imports only from lower floors; rooms of one floor do not import their neighbours, except where a floor is one room. A feature is
 * a room of its own, so that it imports the kernel and no other feature.
 */
const FLOORS: Record<string, number> = {
  platform: 0,
  http: 1,
  audit: 2,
  people: 2,
  oauth: 3,
  pages: 4,
  'sign-in': 4,
  'resource-api': 4,
  operations: 4,
  'command-line': 5,
  features: 6,
};

const files = readdirSync(SRC, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => relative(SRC, join(entry.parentPath, entry.name)))
  .filter((file) => !file.startsWith('platform/prisma/'));

const text = (file: string) => readFileSync(join(SRC, file), 'utf8');
const room = (file: string) => {
  const [first = '', second = ''] = file.split('/');
  if (first === file) return 'roof';
  return first === 'features' ? `features/${second}` : first;
};
const floor = (file: string) => FLOORS[file.split('/')[0] as string];

/** The one file of the roof that rooms know: the contract of features, of which they take the types. */
const CONTRACT = 'feature.ts';
const imports = (file: string) =>
  [...text(file).matchAll(/^(?:import|export)[^'"]*?from '(\.[^']+)'/gm)].map(([, target]) =>
    relative(SRC, resolve(SRC, file, '..', target as string)),
  );

describe('The house', () => {
  it('has source files, each in a room that has a floor', () => {
    assert.ok(files.length > 30);
    assert.deepEqual(
      files.filter((file) => room(file) !== 'roof' && floor(file) === undefined),
      [],
    );
  });

  it('lets a file import from lower floors and its own room alone', () => {
    const breaches = files.flatMap((file) =>
      imports(file)
        .filter((target) => room(file) !== 'roof' && room(target) !== room(file))
        .filter((target) => !(room(file).startsWith('features/') && target === CONTRACT))
        .filter((target) => !((floor(target) ?? 9) < (floor(file) ?? 0)))
        .map((target) => `${file} imports ${target}`),
    );
    assert.deepEqual(breaches, []);
  });

  it('lets the resource API know the authorization server by URL alone', () => {
    const breaches = files.filter((file) => room(file) === 'resource-api').flatMap(imports);
    assert.deepEqual(
      breaches.filter((target) => !['resource-api', 'platform', 'http'].includes(room(target))),
      [],
    );
  });

  it('keeps packages/bearer free of the house, so that another service can use it', () => {
    const folder = resolve(SRC, '../packages/bearer/src');
    const targets = readdirSync(folder).flatMap((file) =>
      [...readFileSync(join(folder, file), 'utf8').matchAll(/from '([^']+)'/g)].map(([, target]) => String(target)),
    );
    assert.deepEqual(
      targets.filter((target) => !target.startsWith('./') && !['jose', 'koa', 'node:http', 'oauth4webapi'].includes(target)),
      [],
    );
  });

  it('reads the environment in one place', () => {
    assert.deepEqual(
      files.filter((file) => /process\.env/.test(text(file))),
      ['platform/config.ts'],
    );
  });

  it('reaches into the library through its public door, and past it in one file', () => {
    assert.deepEqual(
      files.filter((file) => /oidc-provider\/lib/.test(text(file))),
      ['oauth/internals.ts'],
    );
  });

  it('overrides and borrows what the library does not document in that file too', () => {
    const borrowed = /\.prototype\b|\bdefineProperty\(|\.persist\(|\.IN_PAYLOAD\b/;
    const guests = files.filter((file) => /oidc-provider/.test(text(file)));
    assert.deepEqual(
      guests.filter((file) => borrowed.test(text(file).replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, ''))),
      ['oauth/internals.ts'],
    );
  });

  it('builds a key ring where a process starts, and for keys of another kind', () => {
    const rings = files.filter((file) => /new KeyRing\(/.test(text(file)));
    // A kept answer and a repeated token response are sealed with a key that is derived from the browser's form or from the token.
    const derived = ['http/kept-answers.ts', 'oauth/store/token-responses.ts'];
    assert.deepEqual(rings.sort(), ['command-line/operator.ts', ...derived, 'server.ts']);
  });

  it('knows the SQLSTATE codes of PostgreSQL in one file', () => {
    assert.deepEqual(
      files.filter((file) => /'[0-9][0-9A-Z]{4}'/.test(text(file))),
      ['platform/sql-errors.ts'],
    );
  });

  it('touches the library from the protocol, the pages, the sign-in and the features alone', () => {
    const guests = files.filter((file) => /from 'oidc-provider'/.test(text(file))).map(room);
    assert.deepEqual(
      [...new Set(guests)].filter((name) => !['oauth', 'pages', 'sign-in'].includes(name) && !name.startsWith('features/')),
      [],
    );
  });

  it('has no room for leftovers, and no file that takes more than a sitting', () => {
    assert.deepEqual(
      files.filter((file) => /(^|\/)(utils?|helpers?|misc|common|shared|lib)\//.test(file) || file.endsWith('/index.ts')),
      [],
    );
    assert.deepEqual(
      files.filter((file) => text(file).split('\n').length > 300),
      [],
    );
  });

  it('declares once each type whose name the glossary gives one meaning', () => {
    const names = ['App', 'Visit', 'Problem', 'Place', 'Answer', 'Refusal', 'UpstreamVisit'];
    const declared = files.flatMap((file) =>
      [...text(file).matchAll(/^(?:export )?(?:type|interface|class) (\w+)/gm)].map(([, name]) => String(name)),
    );
    assert.deepEqual(
      names.filter((name) => declared.indexOf(name) !== declared.lastIndexOf(name)),
      [],
    );
    assert.ok(declared.includes('App') && declared.includes('Problem'));
  });

  it('ends tokens through one door', () => {
    assert.deepEqual(
      files.filter((file) => /delete from grant_record/i.test(text(file))),
      ['oauth/store/grants.ts'],
    );
  });
});
