import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

/** The columns of each table in `prisma/schema.prisma`. */
function schema(): Record<string, string[]> {
  const text = read('prisma/schema.prisma');
  const models = new Set([...text.matchAll(/^model (\w+) \{/gm)].map(([, name]) => name));
  const tables = [...text.matchAll(/^model \w+ \{\n([\s\S]*?)^\}/gm)].map(([, body = '']) => {
    const fields = [...body.matchAll(/^ {2}(\w+) +(\w+)(.*)$/gm)].filter(([, , type]) => !models.has(type));
    return [/@@map\("(\w+)"\)/.exec(body)?.[1], fields.map(([, name, , rest]) => /@map\("(\w+)"\)/.exec(String(rest))?.[1] ?? name)];
  });
  return Object.fromEntries(tables);
}

/** The rows in each table's section of the page: the columns that a row describes, and whether it announces them. */
function page(): Record<string, { columns: string[]; announced: string[] }> {
  const sections = read('docs/storage.md').split(/^### /m).slice(1);
  return Object.fromEntries(
    sections.map((section) => {
      // Up to the next table, which lists the indexes.
      const table = /\| column [\s\S]*?\n\n/.exec(section)?.[0] ?? '';
      const named = (rows: string[]) =>
        rows.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => String(name)));
      const rows = table.split('\n').slice(2);
      const announced = (row: string) => row.includes('*not here yet*');
      return [
        /^`(\w+)`/.exec(section)?.[1],
        { columns: named(rows.filter((row) => !announced(row))), announced: named(rows.filter(announced)) },
      ];
    }),
  );
}

describe('docs/storage.md', () => {
  const [stored, written] = [schema(), page()];

  it('describes every table, and no other', () => {
    assert(Object.keys(stored).length >= 12);
    assert.deepEqual(Object.keys(written).sort(), Object.keys(stored).sort());
  });

  for (const [table, columns] of Object.entries(stored)) {
    it(`describes each column of ${table}, and no other`, () => {
      assert(columns.length >= 3);
      assert.deepEqual(written[table]?.columns.sort(), columns.sort());
      assert.deepEqual(
        written[table]?.announced.filter((name) => columns.includes(name)),
        [],
        'it is here now',
      );
    });
  }
});
