import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createApiCatalog } from '../../src/oauth/scopes/api-catalog.ts';
import { ownResourceServers, type ResourceServer } from '../../src/oauth/scopes/resource-servers.ts';

const [own] = ownResourceServers('https://as.example') as [ResourceServer];
const api = (identifier: string, ...names: string[]): ResourceServer => ({
  ...own,
  identifier,
  scopes: names.map((name) => ({ name, mayBeRequired: true, isDefault: false, sensitive: false, title: { ko: name, en: name } })),
});

describe('The catalog of APIs', () => {
  it('finds an API by its identifier and by each scope, in the order of identifiers', () => {
    const catalog = createApiCatalog([
      api('https://c.example', 'c', 'shared'),
      api('https://a.example', 'a', 'shared'),
      api('https://b.example'),
    ]);
    assert.deepEqual(
      catalog.servers.map(({ identifier }) => identifier),
      ['https://a.example', 'https://b.example', 'https://c.example'],
    );
    assert.equal(catalog.find('https://b.example')?.scopes.length, 0);
    assert.equal(catalog.find('https://d.example'), undefined);
    assert.deepEqual(
      catalog.offering('shared').map(({ identifier }) => identifier),
      ['https://c.example', 'https://a.example'],
    );
    assert.deepEqual([...catalog.scopes].sort(), ['a', 'c', 'shared']);
  });

  it('changes in place, so that holders of its list and set see each change', () => {
    const catalog = createApiCatalog([api('https://a.example', 'a', 'shared'), api('https://b.example', 'shared')]);
    const { servers } = catalog;
    const shared = new Set(catalog.scopes);
    catalog.shareScopes(shared);
    catalog.put(api('https://a.example', 'new'));
    assert.deepEqual([...shared].sort(), ['new', 'shared'], 'another API still offers what this one dropped');
    assert.equal(servers.length, 2);
    assert.deepEqual(catalog.offering('a'), []);
    catalog.remove('https://b.example');
    catalog.remove('https://nobody.example');
    assert.deepEqual([[...shared], servers.map(({ identifier }) => identifier)], [['new'], ['https://a.example']]);
  });

  it('keeps its order and its indexes over many changes', () => {
    const catalog = createApiCatalog();
    const expected = new Map<string, string[]>();
    for (let n = 0; n < 2_000; n++) {
      const identifier = `https://h${(n * 7_919) % 97}.example`;
      if (n % 3 === 0) {
        catalog.remove(identifier);
        expected.delete(identifier);
      } else {
        const names = [`s${n % 13}`, `t${n % 7}`];
        catalog.put(api(identifier, ...names));
        expected.set(identifier, names);
      }
    }
    assert.deepEqual(
      catalog.servers.map(({ identifier }) => identifier),
      [...expected.keys()].sort(),
    );
    assert.deepEqual([...catalog.scopes].sort(), [...new Set([...expected.values()].flat())].sort());
    for (const scope of catalog.scopes)
      assert.deepEqual(
        catalog
          .offering(scope)
          .map(({ identifier }) => identifier)
          .sort(),
        [...expected]
          .filter(([, names]) => names.includes(scope))
          .map(([identifier]) => identifier)
          .sort(),
      );
  });
});
