import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventsOf } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { clientCredentials, post } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';
import { type MadeClient, makeClient, secretOn, sendTo } from '../support/portal.ts';
import { countRows, dumpTables, passAMinute, unchanged } from '../support/storage.ts';

describe('The secrets of a client in the portal', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  type Service = MadeClient & { owner: { id: string; email: string; password: string }; path: string; client_secret: string };

  async function service(answers: Record<string, string> = {}): Promise<Service> {
    const owner = await server.createPerson();
    const english = Object.assign(new Person(server.issuer), { headers: { 'accept-language': 'en' } });
    const made = await makeClient(server, owner, { place: 'service', person: 'no', ...answers }, english);
    return { ...made, owner, path: `/developer/clients/${made.client_id}/secrets`, client_secret: String(made.client_secret) };
  }
  const works = async (on: TestServer, client: MadeClient, client_secret: string) =>
    (await post(on, '/oauth/token', { ...client, client_secret }, { grant_type: 'client_credentials' })).status === 200;
  /** A node hears of a change a moment after it is written. */
  const soon = (on: TestServer, client: MadeClient, secret: string, so: boolean) =>
    eventually(`the secret ${so ? 'works' : 'has ended'}`, async () => (await works(on, client, secret)) === so);
  const make = ({ page, path }: Service, overlap = '24') => sendTo(page, path, { action: 'make', overlap });
  const secretNames = (page: Page) => [...page.html.matchAll(/name="secret" value="([0-9a-f]{16})"/g)].map(([, name]) => String(name));

  it('are two at most: the old one goes on for as long as was said, and its end is counted down', async () => {
    const one = await service();
    const shown = await make(one);
    assert.equal(shown.response.status, 200);
    assert.equal(shown.response.headers.get('cache-control'), 'no-store');
    const second = String(secretOn(shown));
    assert.match(shown.html, /In 24 hours/);
    await soon(server, one, second, true);
    assert.equal(await works(server, one, one.client_secret), true);
    await unchanged(server, async () => {
      const third = await make(one);
      assert.equal(third.response.status, 422);
      assert.match(third.html, /Up to 2 secrets can be valid/);
      assert.equal(secretOn(third), undefined);
    }, ['rate_limit']);
    const page = await one.page.person.open(one.path);
    assert.equal(secretOn(page), undefined);
    assert.match(page.html, new RegExp(`<code>${second.slice(0, 4)}…${second.slice(-4)}</code>`));
    assert.doesNotMatch(page.html, /name="overlap"/, 'there is no room for a third');
    assert.equal(JSON.stringify(await dumpTables(server)).includes(second), false);
    assert.equal(server.logLines().join().includes(second), false);
    assert.deepEqual(await eventsOf(server, one.owner.id), ['client_secret_made', 'client_made']);
  });

  it('have a label that owners read, which can change; one that shows as nothing changes nothing', async () => {
    const one = await service();
    const shown = await sendTo(one.page, one.path, { action: 'make', overlap: '24', label: 'Build server' });
    assert.match(shown.html, /<bdi>Build server<\/bdi> <code class="small">/);
    assert.match(shown.html, /data-copies="secret"[\s\S]*data-prints[\s\S]*Download as \.env/);
    const [older = ''] = secretNames(shown);
    await sendTo(one.page, one.path, { action: 'label', secret: older, label: 'Laptop of Dana' });
    const labels = async () =>
      (await server.sql('select label from client_secret where client_id = $1 order by created_at', [one.client_id])).map(
        ({ label }) => label,
      );
    assert.deepEqual(await labels(), ['Laptop of Dana', 'Build server']);
    assert.deepEqual(await eventsOf(server, one.owner.id), ['client_changed', 'client_secret_made', 'client_made']);
    const another = await service();
    await unchanged(server, async () => {
      for (const label of ['x'.repeat(61), 'a\u202eb', '\u3164'])
        assert.equal((await sendTo(one.page, one.path, { action: 'label', secret: older, label })).response.status, 422);
      assert.equal((await sendTo(another.page, one.path, { action: 'label', secret: older, label: 'Mine' })).response.status, 404);
    }, ['rate_limit']);
  });

  it('end at once on every node, by no overlap or by name', async () => {
    const one = await service();
    const node = await server.secondNode();
    try {
      assert.equal(await works(node, one, one.client_secret), true);
      const second = String(secretOn(await make(one, '0')));
      for (const on of [node, server]) {
        await soon(on, one, one.client_secret, false);
        await soon(on, one, second, true);
      }
      const page = await one.page.person.open(one.path);
      const [name = ''] = secretNames(page);
      assert.match(page.html, /This is the last secret/);
      const done = await sendTo(page, one.path, { action: 'end', secret: name });
      assert.equal(done.url.search, '?done');
      for (const on of [node, server]) await soon(on, one, second, false);
      assert.deepEqual((await eventsOf(server, one.owner.id))[0], 'client_secret_ended');
      const again = () => unchanged(server, () => sendTo(page, one.path, { action: 'end', secret: name }));
      assert.equal((await again()).url.search, '?done', 'a second press');
      await passAMinute(server);
      assert.equal((await again()).response.status, 422);
      // Whoever has none begins anew.
      await soon(server, one, String(secretOn(await sendTo(done, one.path, { action: 'make' }))), true);
    } finally {
      await node.close();
    }
  });

  it('are never three, of ten that are made at once', async () => {
    const one = await service();
    const pages = await Promise.all(Array.from({ length: 10 }, () => make(one)));
    assert.equal(pages.filter(({ response }) => response.status === 200).length, 1);
    assert.equal(await countRows(server, 'client_secret where client_id = $1', [one.client_id]), 2);
  });

  it('are not ended by name from the page of another client', async () => {
    const [mine, theirs] = [await service(), await service()];
    const [name = ''] = secretNames(await theirs.page.person.open(theirs.path));
    for (const secret of [name, '', "' or '1'='1", '%', '0'.repeat(16)]) {
      const page = await unchanged(server, () => sendTo(mine.page, mine.path, { action: 'end', secret }));
      assert.equal(page.response.status, 422, secret);
    }
    assert.equal(await works(server, theirs, theirs.client_secret), true);
  });

  it('overlap by whole hours up to a week', async () => {
    const one = await service();
    for (const overlap of ['169', '-1', '1.5', 'NaN', '1e2', '999'])
      await unchanged(server, async () => {
        const page = await make(one, overlap);
        assert.equal(page.response.status, 422, overlap);
        assert.match(page.html, /aria-describedby="overlap-hint problem" aria-invalid="true"/);
      });
    assert.equal((await make(one, '168')).response.status, 200);
  });

  it('come as a file, of what was shown and of nothing else', async () => {
    const one = await service();
    const sealed = /name="sealed" value="([^"]+)"/.exec(one.page.html)?.[1] ?? '';
    assert.equal(sealed.includes(one.client_secret), false);
    const file = await sendTo(one.page, one.path, { action: 'file', sealed });
    assert.match(String(file.response.headers.get('content-type')), /^text\/plain/);
    assert.equal(file.response.headers.get('content-disposition'), 'attachment; filename="client.env"');
    assert.equal(file.response.headers.get('cache-control'), 'no-store');
    assert.equal(file.html, `OAUTH_ISSUER=${server.issuer}\nOAUTH_CLIENT_ID=${one.client_id}\nOAUTH_CLIENT_SECRET=${one.client_secret}\n`);
    const another = await service();
    for (const [made, text] of [
      [one, ''],
      [one, `${sealed.slice(0, -2)}AA`],
      [one, 'v1.x.y.z'],
      [another, sealed],
    ] as const) {
      const page = await unchanged(server, () => sendTo(made.page, made.path, { action: 'file', sealed: text }));
      assert.equal(page.response.status, 422);
      assert.match(page.html, /too late to download the file/);
    }
  });

  it('tell when they were last used, to the hour, written once however often', async () => {
    const one = await service();
    assert.match((await one.page.person.open(one.path)).html, /Never/);
    const used = () => server.sql('select used_at, xmin::text from client_secret where client_id = $1', [one.client_id]);
    await clientCredentials(server, one);
    // Nothing waits for it: it is there a moment later.
    await eventually('the use is written', async () => (await used())[0]?.['used_at'] !== null);
    const [first] = await used();
    const at = first?.['used_at'] as Date;
    assert.deepEqual([at.getMinutes(), at.getSeconds(), at.getMilliseconds()], [0, 0, 0]);
    for (let n = 0; n < 3; n++) await clientCredentials(server, one);
    assert.deepEqual(await used(), [first]);
    assert.equal(await works(server, one, 'x'.repeat(43)), false);
    assert.match((await one.page.person.open(one.path)).html, /Within the hour after/);
  });

  it('are none where the client proves nothing', async () => {
    const one = await service({ place: 'browser', person: 'yes' });
    assert.match((await one.page.person.open(one.path)).html, /does not use a secret/);
    const form = await one.page.person.open(one.path.replace('/secrets', ''));
    const page = await unchanged(server, () => make({ ...one, page: form }));
    assert.equal(page.response.status, 422);
    assert.equal(await countRows(server, 'client_secret where client_id = $1', [one.client_id]), 0);
  });
});
