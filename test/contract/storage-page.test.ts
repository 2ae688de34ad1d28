import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

/** Columns of each table, as `prisma/schema.prisma` has them. */
function schema(): Record<string, string[]> {
  const text = read('prisma/schema.prisma');
  const models = new Set([...text.matchAll(/^model (\w+) \{/gm)].map(([, name]) => name));
  const tables = [...text.matchAll(/^model \w+ \{\n([\s\S]*?)^\}/gm)].map(([, body = '']) => {
    const fields = [...body.matchAll(/^ {2}(\w+) +(\w+)(.*)$/gm)].filter(([, , type]) => !models.has(type));
    return [/@@map\("(\w+)"\)/.exec(body)?.[1], fields.map(([, name, , rest]) => /@map\("(\w+)"\)/.exec(String(rest))?.[1] ?? name)];
  });
  return Object.fromEntries(tables);
}

/** Rows of each table's section on the page: the columns that a row is about, and whether it says that they are to come. */
function page(): Record<string, { columns: string[]; announced: string[] }> {
  const sections = read('docs/storage.md').split(/^### /m).slice(1);
  return Object.fromEntries(
    sections.map((section) => {
      // Up to the next table: that of the indexes is another matter.
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

  it('is about every table, and about none that is not there', () => {
    assert(Object.keys(stored).length >= 12);
    assert.deepEqual(Object.keys(written).sort(), Object.keys(stored).sort());
  });

  for (const [table, columns] of Object.entries(stored)) {
    it(`says what each column of ${table} is, and of no other`, () => {
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
