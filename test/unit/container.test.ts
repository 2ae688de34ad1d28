import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, it } from 'node:test';

const ROOT = resolve(import.meta.dirname, '../..');

/** The image is built elsewhere. A script that imports a file which the Dockerfile does not copy would fail there alone. */
describe('The container image', () => {
  const copied = [...readFileSync(join(ROOT, 'Dockerfile'), 'utf8').matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources = '']) =>
    sources.split(' '),
  );
  const isCopied = (file: string) => copied.some((source) => file === source || file.startsWith(`${source}/`));
  const filesOf = (source: string) =>
    statSync(join(ROOT, source)).isDirectory() ? readdirSync(join(ROOT, source)).map((name) => `${source}/${name}`) : [source];

  it('has every file that its scripts import', () => {
    const scripts = copied.filter((source) => source.startsWith('scripts/')).flatMap(filesOf);
    const code = scripts.filter((file) => /\.(ts|mjs)$/.test(file));
    assert(code.length > 8);
    const missing = code.flatMap((file) =>
      [...readFileSync(join(ROOT, file), 'utf8').matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)]
        .map(([, target = '']) => relative(ROOT, resolve(ROOT, file, '..', target)))
        .filter((target) => !isCopied(target))
        .map((target) => `${file} imports ${target}`),
    );
    assert.deepEqual(missing, []);
  });
});
