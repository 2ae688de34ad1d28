import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { redraw } from '../../src/features/logos/picture.ts';
import { verifyClient } from '../../src/oauth/clients/store.ts';
import { openDatabase } from '../../src/platform/database.ts';
import { createLog } from '../../src/platform/log.ts';
import { openAccount } from '../support/account.ts';
import { look as lookAs, signInAs } from '../support/admin.ts';
import { beginDevice, createDeviceClient, typeCode } from '../support/device.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { authorizePath, obtainTokens, pkce, type TestClient } from '../support/flow.ts';
import { attempted, fetchLogos, makeDue, storedLogo } from '../support/logos.ts';
import { Person } from '../support/person.ts';
import { bomb, endless, look, type PictureServer, plain, png, startPictureServer } from '../support/pictures.ts';
import { sendTo } from '../support/portal.ts';
import { manage, register } from '../support/registration.ts';
import { unchanged } from '../support/storage.ts';

/** An app's logo (`logo_uri`, RFC 7591 section 2): fetched once, behind the requests, and shown from our own origin. */
describe('The logo of an app', () => {
  let server: TestServer;
  let pictures: PictureServer;
  let elsewhere: PictureServer;
  let fetching: { stop(): Promise<void> };
  before(async () => {
    [server, pictures, elsewhere] = await Promise.all([startTestServer(), startPictureServer(), startPictureServer()]);
    fetching = fetchLogos(server);
  });
  after(async () => {
    await fetching.stop();
    pictures.close();
    elsewhere.close();
    await server.close();
  });

  let count = 0;
  const put = (answer: Parameters<PictureServer['put']>[1]) => pictures.put(`/${++count}`, answer);
  const withLogo = (logo_uri: string, metadata = {}) => server.createClient({ logo_uri, ...metadata });
  const serve = (path: string | null, init?: RequestInit) => fetch(server.issuer + path, init);
  const verify = (client: { client_id: string }, publisher = 'Acme Inc.') =>
    server.database.change(verifyClient(client.client_id, publisher));
  const { code_verifier: _, ...challenge } = pkce();

  /** The consent page of a client, before somebody who is signed in. */
  async function consentOf(client: TestClient) {
    const browser = new Person(server.issuer);
    const path = authorizePath(client, { ...challenge, prompt: 'consent' });
    await (await browser.open(path)).submit(await server.createPerson());
    return async () => (await browser.open(path)).html;
  }
  const shown = (html: string) => /<img class="initial logo" src="([^"]+)" alt="" width="44" height="44">/.exec(html)?.[1];

  it('is drawn again as a square PNG without metadata, whatever format of the web it has', async () => {
    const turned = await plain('#0000ff', 40, 20)
      .jpeg()
      .withMetadata({ orientation: 6 })
      .withExif({ IFD0: { Copyright: 'Seoul' } })
      .toBuffer();
    assert.ok(turned.includes('Seoul'));
    const frames = sharp([await png('#ff0000'), await png('#0000ff')], { join: { animated: true } });
    const svg = (inside: string) =>
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">${inside}<circle cx="12" cy="12" r="12" fill="#ff0000"/></svg>`;
    const cases: [string, string, Uint8Array | string, number[], number][] = [
      ['PNG', 'image/png', await png('#ff0000'), [255, 0, 0], 255],
      ['wide PNG', 'image/png', await png('#ff0000', 300, 50), [255, 0, 0], 0],
      ['JPEG turned by EXIF', 'image/jpeg', turned, [0, 0, 254], 0],
      ['WebP', 'image/webp', await plain('#ff0000').webp({ lossless: true }).toBuffer(), [255, 0, 0], 255],
      ['animated GIF', 'image/gif', await frames.gif().toBuffer(), [255, 0, 0], 255],
      ['SVG with a script', 'image/svg+xml; charset=utf-8', svg('<script>alert(1)</script>'), [255, 0, 0], 0],
      ['PNG that says that it is JPEG', 'image/jpeg', await png('#ff0000'), [255, 0, 0], 255],
    ];
    for (const [what, type, body, middle, corner] of cases) {
      const stored = await attempted(server, await withLogo(put({ type, body })));
      assert.equal(stored.problem, null, what);
      const image = stored.image as Buffer;
      const { width, height, format, exif, icc, xmp, pages } = await sharp(image).metadata();
      assert.deepEqual(
        { width, height, format, exif, icc, xmp, pages },
        { width: 132, height: 132, format: 'png', exif: undefined, icc: undefined, xmp: undefined, pages: undefined },
        what,
      );
      assert.ok(!image.includes('Seoul') && !image.includes('script'), what);
      assert.deepEqual(await look(image), { middle, corner }, what);
      assert.ok(stored.waits > 6.9 * 24 * 3_600, 'it is fetched again in a week');
    }
    assert.equal(pictures.headers['cookie'] ?? pictures.headers['referer'], undefined);
    assert.equal(pictures.headers['accept-encoding'], 'identity');
  });

  it('is served for ever under its digest, without a cookie and for our own pages alone', async () => {
    const { path, image } = await attempted(server, await withLogo(put({ body: await png('#123456') })));
    const response = await serve(path, { headers: { cookie: 'language=ko; _session=x' } });
    assert.equal(response.status, 200);
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), image);
    const headers = Object.fromEntries(response.headers);
    assert.equal(headers['content-type'], 'image/png');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['cache-control'], 'public, max-age=31536000, immutable');
    assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
    assert.equal(headers['content-security-policy'], "default-src 'none'; frame-ancestors 'none'; sandbox");
    assert.equal(headers['set-cookie'] ?? headers['vary'], undefined);
    const head = await serve(path, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers.get('content-length'), await head.text()], [200, String(image?.length), '']);
    for (const unknown of [
      `/logos/${'0'.repeat(64)}.png`,
      String(path).replace('.png', ''),
      String(path).toUpperCase(),
      '/logos/',
      '/logos/..%2f.png',
    ]) {
      const nothing = await serve(unknown);
      assert.equal(nothing.status, 404, unknown);
      assert.doesNotMatch(String(nothing.headers.get('cache-control')), /public/, unknown);
    }
    const empty = await serve(`/logos/${'0'.repeat(64)}.png?lang=ko`);
    assert.deepEqual(
      [empty.headers.get('set-cookie'), empty.headers.get('content-type'), await empty.text()],
      [null, 'text/plain; charset=utf-8', 'Not Found'],
    );
  });

  it('is refused for a reason that its owner can read, and the letter stays', async () => {
    const inside = elsewhere.put('/inside.png', { body: await png('#ff0000') });
    const large = Buffer.concat([await png('#ff0000'), Buffer.alloc(1024 * 1024)]);
    const drip: NodeJS.Timeout[] = [];
    const slowly = (response: import('node:http').ServerResponse) => {
      response.writeHead(200, { 'content-type': 'image/png' });
      drip.push(setInterval(() => response.write('.'), 200).unref());
    };
    const refusals: [string, string, string][] = [
      ['HTML in disguise', put({ body: '<!doctype html><script>alert(1)</script>' }), 'not_an_image'],
      ['an image that says that it is a page', put({ type: 'text/html', body: await png('#ff0000') }), 'not_an_image'],
      ['another format', put({ type: 'image/tiff', body: await plain('#ff0000').tiff().toBuffer() }), 'not_an_image'],
      ['half of an image', put({ body: (await png('#ff0000', 300, 300)).subarray(0, 200) }), 'not_an_image'],
      ['a bomb of pixels', put({ body: bomb() }), 'too_many_pixels'],
      ['a large file', put({ body: large }), 'too_large'],
      [
        'a bomb of compression',
        put({ headers: { 'content-encoding': 'gzip' }, body: gzipSync(Buffer.alloc(64 * 1024 * 1024)) }),
        'too_large',
      ],
      ['an error', put({ status: 500, body: await png('#ff0000') }), 'refused'],
      ['a redirect', put({ status: 302, headers: { location: inside } }), 'redirected'],
      ['a server that is silent', put({ instead: () => {} }), 'no_answer'],
      ['a server that drips', put({ instead: slowly }), 'no_answer'],
      ['a server that hangs up', put({ instead: (response) => response.destroy() }), 'no_answer'],
      ['no server', 'http://127.0.0.1:1/logo.png', 'no_answer'],
      ['no address', 'https://', 'no_answer'],
    ];
    const helpers = [fetchLogos(server), fetchLogos(server)];
    try {
      const clients = await Promise.all(refusals.map(([, uri]) => withLogo(uri)));
      for (const [n, [what, , problem]] of refusals.entries()) {
        const stored = await attempted(server, clients[n] as { client_id: string });
        assert.deepEqual([stored.problem, stored.image, stored.path], [problem, null, null], what);
      }
      assert.match(await (await consentOf(clients[0] as TestClient))(), /<span class="initial app" aria-hidden="true">T<\/span>/);
    } finally {
      for (const timer of drip) clearInterval(timer);
      await Promise.all(helpers.map((helper) => helper.stop()));
    }
    assert.equal(elsewhere.connections, 0, 'nobody followed the redirect');
  });

  it('that would take a decoder for ever ends the process of the decoder alone', async () => {
    const drawing = redraw(Buffer.from(endless()));
    assert.equal((await fetch(`${server.issuer}/livez`)).status, 200);
    // A fast machine comes to the library's own limit of elements before the time is up.
    const drawn = await drawing;
    assert('problem' in drawn && ['unreadable', 'not_an_image'].includes(drawn.problem), JSON.stringify(drawn));
  });

  it('of an SVG is what it draws itself: nothing that it refers to is fetched or read', async () => {
    const inside = elsewhere.put('/in.png', { body: await png('#ff0000') });
    const image = (href: string) => `<image width="24" height="24" xlink:href="${href}"/>`;
    const body = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="24" height="24"><style>@import url(${inside});</style>${image(inside)}${image(`file://${process.cwd()}/views/assets/gate.svg`)}</svg>`;
    const stored = await attempted(server, await withLogo(put({ type: 'image/svg+xml', body })));
    assert.deepEqual((await look(stored.image as Buffer)).corner, 0);
    assert.equal((await sharp(stored.image as Buffer).stats()).channels[3]?.max, 0, 'nothing was drawn');
    assert.equal(elsewhere.connections, 0);
  });

  it("is fetched from the public internet alone where this server is not on its developer's machine", async () => {
    await fetching.stop();
    const strict = fetchLogos(server, { loopbackPages: false });
    try {
      const before = pictures.connections;
      const port = new URL(put({ body: await png('#ff0000') })).port;
      for (const uri of [
        `http://127.0.0.1:${port}/`,
        `https://127.0.0.1:${port}/`,
        `http://localhost:${port}/`,
        'https://localhost/',
        'https://[::1]/',
        'https://10.0.0.1/',
      ])
        assert.equal((await attempted(server, await withLogo(uri))).problem, 'no_answer', uri);
      assert.equal(pictures.connections, before);
    } finally {
      await strict.stop();
      fetching = fetchLogos(server);
    }
  });

  it('is fetched once, by one of two nodes', async () => {
    await fetching.stop();
    const addresses = await Promise.all(Array.from({ length: 6 }, async (_, n) => put({ body: await png(`rgb(${n}, 0, 0)`) })));
    const clients = await Promise.all(addresses.map((uri) => withLogo(uri)));
    pictures.asked = [];
    const other = openDatabase(server.config.databaseUrl, createLog('silent'));
    const nodes = [fetchLogos(server), fetchLogos(server, { database: other })];
    for (const client of clients) assert.equal((await attempted(server, client)).problem, null);
    await Promise.all(nodes.map((node) => node.stop()));
    await other.close();
    fetching = fetchLogos(server);
    assert.deepEqual(pictures.asked.toSorted(), addresses.map((uri) => new URL(uri).pathname).toSorted());
  });

  it('follows the client: another address empties it at once and ends the verification, and a late picture of the old one is dropped', async () => {
    const client = await register(server, { logo_uri: put({ body: await png('#00ff00') }) });
    const first = await attempted(server, client);
    await verify(client);
    const held = Promise.withResolvers<void>();
    const late = await png('#00ffff');
    const slow = put({
      instead: (response) => void held.promise.then(() => response.writeHead(200, { 'content-type': 'image/png' }).end(late)),
    });
    const metadata = { client_name: 'Walk', redirect_uris: ['https://walk.example/cb'], client_secret: client.client_secret };
    let managed: Parameters<typeof manage>[1] = client;
    const change = async (more: object) => {
      const response = await manage(server, managed, 'PUT', { client_id: client.client_id, ...metadata, ...more });
      assert.equal(response.status, 200);
      managed = (await response.json()) as typeof managed;
    };
    await change({ logo_uri: slow });
    assert.deepEqual(await server.sql('select publisher from client where id = $1', [client.client_id]), [{ publisher: null }]);
    assert.equal((await storedLogo(server, client))?.image, null);
    assert.equal((await serve(first.path)).status, 404);
    await eventually('the slow one was asked for', () => pictures.asked.includes(new URL(slow).pathname));
    await change({ logo_uri: put({ body: await png('#ff00ff') }) });
    held.resolve();
    const second = await attempted(server, client);
    assert.deepEqual((await look(second.image as Buffer)).middle, [255, 0, 255]);
    const other = await withLogo(put({ body: await png('#00fff0') }));
    await attempted(server, other);
    assert.deepEqual((await storedLogo(server, client))?.path, second.path, 'the late one came to nothing');
    await change({});
    assert.equal(await storedLogo(server, client), undefined);
    assert.equal((await serve(second.path)).status, 404);
  });

  it('goes with a client that is deleted, and while it is suspended', async () => {
    const uri = put({ body: await png('#0f0f0f') });
    const client = await withLogo(uri);
    const { path } = await attempted(server, client);
    const suspend = (moment: string) => server.sql(`update client set suspended_at = ${moment} where id = $1`, [client.client_id]);
    await suspend('now()');
    assert.equal((await serve(path)).status, 404);
    pictures.asked = [];
    await makeDue(server, client);
    await attempted(server, await withLogo(put({ body: await png('#0f0f10') })));
    assert.ok(!pictures.asked.includes(new URL(uri).pathname), 'it is not fetched meanwhile');
    await suspend('null');
    assert.equal((await serve(path)).status, 200);
    await server.sql('delete from client where id = $1', [client.client_id]);
    assert.equal((await serve(path)).status, 404);
    assert.equal(await storedLogo(server, client), undefined);
  });

  it('is fetched again: each time later while it fails, with the old picture in its place', async () => {
    const path = `/${++count}`;
    const client = await withLogo(pictures.put(path, { status: 503 }));
    for (const [attempts, minutes] of [
      [1, 2],
      [2, 4],
      [3, 8],
    ] as const) {
      const stored = await attempted(server, client);
      assert.equal(stored.attempts, attempts);
      assert.ok(stored.waits > (minutes - 1) * 60 && stored.waits <= minutes * 60, String(stored.waits));
      await makeDue(server, client);
    }
    pictures.put(path, { body: await png('#112233') });
    await makeDue(server, client);
    await eventually('it is there', async () => (await storedLogo(server, client))?.image != null);
    const good = await storedLogo(server, client);
    assert.deepEqual([good?.problem, good?.attempts], [null, 0]);
    pictures.put(path, { type: 'text/html', body: 'gone' });
    await makeDue(server, client);
    await eventually('it failed', async () => (await storedLogo(server, client))?.problem === 'not_an_image');
    assert.equal((await storedLogo(server, client))?.path, good?.path);
    pictures.put(path, { body: await png('#332211') });
    await makeDue(server, client);
    await eventually('it is another', async () => (await storedLogo(server, client))?.path !== good?.path);
    assert.equal((await serve(String(good?.path))).status, 404);
  });

  it('does not change once an operator has verified the publisher who had it, or had none', async () => {
    const path = `/${++count}`;
    const client = await withLogo(pictures.put(path, { body: await png('#445566') }));
    const failed = await withLogo(put({ status: 404 }));
    const stored = await attempted(server, client);
    assert.equal((await attempted(server, failed)).problem, 'refused');
    for (const one of [client, failed]) await verify(one);
    pictures.put(path, { body: await png('#665544') });
    pictures.put(new URL(String((await storedLogo(server, failed))?.uri)).pathname, { body: await png('#665544') });
    for (const one of [client, failed]) await server.sql('update client_logo set due_at = now() where client_id = $1', [one.client_id]);
    // Verified before anybody could fetch it: the first fetch runs.
    await fetching.stop();
    const quick = await withLogo(put({ body: await png('#778899') }));
    await verify(quick);
    pictures.asked = [];
    fetching = fetchLogos(server);
    assert.equal((await attempted(server, quick)).problem, null);
    assert.deepEqual(pictures.asked, [new URL(String((await storedLogo(server, quick))?.uri)).pathname]);
    assert.equal((await storedLogo(server, client))?.path, stored.path);
    assert.equal((await storedLogo(server, failed))?.image, null);
  });

  it('is not shown where a verified app has the same picture: nobody passes for it', async () => {
    const body = await png('#abcdef');
    const [acme, copy] = await Promise.all([withLogo(put({ body })), withLogo(put({ body }), { client_name: 'Copy' })]);
    const path = (await attempted(server, acme)).path;
    assert.equal((await attempted(server, copy)).path, path);
    const page = await consentOf(copy);
    assert.equal(shown(await page()), path);
    await verify(acme);
    assert.match(await page(), /<span class="initial app" aria-hidden="true">C<\/span>/);
    assert.equal(shown(await (await consentOf(acme))()), path);
    await verify(copy, 'Acme Korea');
    await eventually('the page knows that it is verified', async () => (await page()).includes('Acme Korea'));
    assert.equal(shown(await page()), path);
  });

  it('stands on the pages where people meet the app, with what is known of its publisher, and nothing comes from elsewhere', async () => {
    const uri = put({ body: await png('#fedcba') });
    const owner = await server.createPerson();
    const client = await withLogo(uri);
    const tv = await createDeviceClient(server, { logo_uri: uri });
    const [{ path }] = await Promise.all([attempted(server, client), attempted(server, tv)]);
    await server.sql('insert into client_owner (client_id, account_id) values ($1, $2)', [client.client_id, owner.id]);
    await obtainTokens(server, client, owner);
    const { user_code } = await beginDevice(server, tv);
    const browser = (await openAccount(server, owner, '/account/apps')).person;
    const at = `/developer/clients/${client.client_id}`;
    const pages: Record<string, string> = { consent: await (await consentOf(client))(), device: (await typeCode(server, user_code)).html };
    for (const address of ['/account/apps', '/developer', at, `${at}/preview`]) pages[address] = (await browser.open(address)).html;
    for (const [where, html] of Object.entries(pages)) {
      assert.equal(shown(html), path, where);
      for (const [, src] of html.matchAll(/<img[^>]* src="([^"]+)"/g)) assert.match(String(src), /^\/(logos|assets)\//, where);
      if (!where.startsWith('/developer')) assert.match(html, /[Nn]ot verified/, where);
    }
    assert.match(String((await browser.request(at)).headers.get('content-security-policy')), /img-src 'self' data:/);
  });

  it('can be changed in the portal, and both its owner and operators read why it could not be taken, in their language', async () => {
    const owner = await server.createPerson();
    const client = await server.createClient();
    await server.sql('insert into client_owner (client_id, account_id) values ($1, $2)', [client.client_id, owner.id]);
    const at = `/developer/clients/${client.client_id}`;
    const page = await openAccount(server, owner, at);
    assert.match(page.html, /No logo\. Users see the first letter of the name\./);
    const { redirect_uri } = client;
    const form = { client_name: 'Test app', redirect_uris: redirect_uri, scope: ['openid'] };
    await unchanged(server, async () => {
      const refused = await sendTo(page, at, { ...form, logo_uri: 'http://far.example/logo.png' });
      assert.match(refused.html, /Enter a full address that begins with https:\/\//);
    });
    await sendTo(page, at, { ...form, logo_uri: put({ body: bomb() }) });
    assert.equal((await attempted(server, client)).problem, 'too_many_pixels');
    const admin = await signInAs(server, 'admin');
    for (const [language, sentence] of [
      ['en', 'the image has more than 16 million pixels'],
      ['ko', '이미지가 1,600만 픽셀보다 커요'],
    ] as const) {
      assert.ok((await page.person.open(`${at}?lang=${language}`)).html.includes(sentence));
      assert.ok((await lookAs(admin, `/admin/clients/${client.client_id}?lang=${language}`)).html.includes(sentence));
    }
    await page.person.open(`${at}?lang=en`);
    await sendTo(await page.person.open(at), at, { ...form, logo_uri: put({ body: await png('#010203') }) });
    const { path } = await attempted(server, client);
    assert.equal(shown((await page.person.open(at)).html), path);
    await verify(client);
    assert.match((await page.person.open(at)).html, /not fetch the image again while the publisher is verified/);
  });

  it('is no part of what a client answers with, and its registration does not wait for it', async () => {
    const silent = put({ instead: () => {} });
    const client = await register(server, { logo_uri: silent, 'logo_uri#ko': 'https://walk.example/ko.png' });
    assert.equal(client['logo_uri'], silent);
    assert.equal(client['logo_uri#ko'], undefined, 'there is one logo for all languages');
  });
});
