import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { configurationPage, PAGE } from '../../scripts/configuration-page.ts';

describe('docs/configuration.md', () => {
  it('says what the schema and .env.example say', async () => {
    assert.equal(await readFile(PAGE, 'utf8'), await configurationPage(), 'run node scripts/configuration-page.ts');
  });
});
