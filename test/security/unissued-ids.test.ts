import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { beginDevice, createDeviceClient, DEVICE_GRANT } from '../support/device.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import {
  authorizePath,
  callApi,
  clientCredentials,
  createResourceServerClient,
  obtainCode,
  obtainTokens,
  pkce,
  post,
  type TestClient,
} from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { manage, type RegisteredClient, register } from '../support/registration.ts';
import { dumpTables, WRITTEN_BEHIND, withoutUse } from '../support/storage.ts';

const REQUEST_URI = 'urn:ietf:params:oauth:request_uri:';
const MEGABYTE = 1024 * 1024;

const MODELS = [
  'access token',
  'refresh token',
  'client credentials token',
  'code',
  'pushed request',
  'device code',
  'user code',
  'registration access token',
  'session',
  'interaction',
  'grant',
  'client',
  'account',
];
// Places where an id can be used repeatedly: it is not used up.
const LOOKS = [
  'introspection',
  'introspection by the client of a token',
  'userinfo',
  'the API',
  'the cookie of an interaction',
  'the cookie of a session',
];

type Outcome = { status: number; body: string; location: string | null };

/** An id that was issued for another purpose, a misspelled id, or text that is no id. */
describe('Ids that were not issued for their place', () => {
  let server: TestServer;
  let client: TestClient & { client_secret: string };
  let api: TestClient;
  let registered: RegisteredClient;
  let tv: TestClient;
  let live: Record<string, string>;
  let code_verifier: string;
  const { code_verifier: _, ...challenge } = pkce();

  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
    api = await createResourceServerClient(server);
    registered = await register(server);
    const person = await server.createPerson();
    const issued = await obtainCode(server, client, person, { scope: 'openid profile' });
    const browser = issued.person;
    code_verifier = issued.code_verifier;
    const tokens = await obtainTokens(server, client, person, { scope: 'openid profile' });
    const pushed = await post(server, '/oauth/par', client, {
      client_id: client.client_id,
      redirect_uri: client.redirect_uri,
      response_type: 'code',
      scope: 'openid',
      ...challenge,
    });
    const page = await new Person(server.issuer).open(authorizePath(client, challenge));
    const device = await createDeviceClient(server);
    const { device_code, user_code } = await beginDevice(server, device);
    tv = device;
    live = {
      'access token': tokens.access_token,
      'refresh token': String(tokens.refresh_token),
      'client credentials token': (await clientCredentials(server, client, 'api')).access_token,
      code: issued.code,
      'pushed request': String(((await pushed.json()) as { request_uri: string }).request_uri).slice(REQUEST_URI.length),
      'device code': device_code,
      'user code': user_code,
      'registration access token': registered.registration_access_token,
      session: String(
        browser
          .cookies()
          .find((pair) => pair.startsWith('session='))
          ?.slice('session='.length),
      ),
      interaction: String(page.url.pathname.split('/').at(-1)),
      grant: String((await server.sql('select id from grant_record limit 1'))[0]?.['id']),
      client: client.client_id,
      account: person.id,
    };
    for (const [what, id] of Object.entries(live)) assert(id.length >= 9, what);
  });
  after(() => server.close());

  const form = (path: string, who: TestClient, fields: Record<string, string>, name: string, id: string) =>
    fetch(server.issuer + path, {
      method: 'POST',
      redirect: 'manual',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `Basic ${Buffer.from(`${who.client_id}:${who.client_secret}`).toString('base64')}`,
      },
      body: `${new URLSearchParams(fields)}&${name}=${id}`,
    });
  const signed = (name: string, value: string) =>
    `${name}=${value}; ${name}.sig=${createHmac('sha1', String(server.config.cookieKeys[0])).update(`${name}=${value}`).digest('base64url')}`;
  const open = (path: string, headers: Record<string, string> = {}) => fetch(server.issuer + path, { redirect: 'manual', headers });

  type Place = {
    /** The kinds of ids that are valid here. */
    takes: string[];
    /** @param raw the id, percent-encoded. */
    use(raw: string): Promise<Response>;
    refused(outcome: Outcome): void;
    /** Whether the id is sent in a header, where NUL and similar characters are impossible. */
    header?: boolean;
  };

  const inactive = ({ status, body }: Outcome) => {
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(body), { active: false });
  };
  const error =
    (code: string, status = 400) =>
    (outcome: Outcome) => {
      assert.equal(outcome.status, status, outcome.body);
      assert.equal(JSON.parse(outcome.body).error, code, outcome.body);
    };
  const page = ({ status, location }: Outcome) => {
    assert.equal(status, 400);
    assert.equal(location, null);
  };

  const places: Record<string, Place> = {
    // A refresh token is inactive for an API; only its own client sees it as active.
    introspection: {
      takes: ['access token', 'client credentials token'],
      use: (raw) => form('/oauth/introspect', api, {}, 'token', raw),
      refused: inactive,
    },
    'introspection by the client of a token': {
      takes: ['access token', 'refresh token', 'client credentials token'],
      use: (raw) => form('/oauth/introspect', client, {}, 'token', raw),
      refused: inactive,
    },
    revocation: {
      takes: ['access token', 'refresh token', 'client credentials token'],
      use: (raw) => form('/oauth/revoke', client, {}, 'token', raw),
      refused: ({ status, body }) => assert.deepEqual([status, body], [200, '']),
    },
    'a code at the token endpoint': {
      takes: ['code'],
      use: (raw) =>
        form('/oauth/token', client, { grant_type: 'authorization_code', code_verifier, redirect_uri: client.redirect_uri }, 'code', raw),
      refused: error('invalid_grant'),
    },
    'a refresh token at the token endpoint': {
      takes: ['refresh token'],
      use: (raw) => form('/oauth/token', client, { grant_type: 'refresh_token' }, 'refresh_token', raw),
      refused: error('invalid_grant'),
    },
    'a device code at the token endpoint': {
      takes: ['device code'],
      use: (raw) =>
        fetch(`${server.issuer}/oauth/token`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: `${new URLSearchParams({ client_id: tv.client_id, grant_type: DEVICE_GRANT })}&device_code=${raw}`,
        }),
      refused: error('invalid_grant'),
    },
    userinfo: {
      takes: ['access token'],
      use: (raw) => open('/oauth/userinfo', { authorization: `Bearer ${raw}` }),
      refused: error('invalid_token', 401),
      header: true,
    },
    'the API': {
      // The last is a token of the client itself, which the API recognizes and refuses for its scope.
      takes: ['access token', 'client credentials token'],
      use: (raw) => callApi(server, '/api/me', raw),
      refused: error('invalid_token', 401),
      header: true,
    },
    'request_uri at the authorization endpoint': {
      takes: ['pushed request'],
      use: (raw) => open(`/oauth/authorize?client_id=${client.client_id}&request_uri=${encodeURIComponent(REQUEST_URI)}${raw}`),
      refused: page,
    },
    'the management of a registration': {
      takes: ['registration access token'],
      use: (raw) => manage(server, { ...registered, registration_access_token: raw }, 'GET'),
      refused: error('invalid_token', 401),
      header: true,
    },
    'the cookie of an interaction': {
      takes: ['interaction'],
      use: (raw) => open(`/interaction/${raw}`, { cookie: signed('interaction', raw) }),
      refused: page,
      header: true,
    },
    'the cookie to resume by': {
      takes: ['interaction'],
      use: (raw) => open(`/oauth/authorize/${raw}`, { cookie: signed('resume', raw) }),
      refused: page,
      header: true,
    },
    'the cookie of a session': {
      takes: ['session'],
      use: (raw) => open(authorizePath(client, { ...challenge, prompt: 'none' }), { cookie: signed('session', raw) }),
      refused: ({ location }) => assert.equal(new URL(String(location)).searchParams.get('error'), 'login_required'),
      header: true,
    },
  };

  /** Each row with the transaction that wrote it, so that even a write without a change is detected. */
  async function rows(): Promise<Set<string>> {
    const tables = Object.keys(await dumpTables(server)).filter((table) => !WRITTEN_BEHIND.includes(table));
    const all = await server.sql(
      tables
        .map((table) => {
          // The last use of a secret is also written after the answer.
          const written = table === 'client_secret' ? '' : `xmin || ' ' || ctid || ' ' || `;
          return `select '${table}' || ' ' || ${written}${withoutUse(table)} as row from "${table}" t`;
        })
        .join(' union all '),
    );
    return new Set(all.map(({ row }) => String(row)));
  }
  const untouched = async (use: () => Promise<Response>): Promise<Outcome> => {
    const before = await rows();
    const response = await use();
    const outcome = { status: response.status, body: await response.text(), location: response.headers.get('location') };
    const after = await rows();
    assert.deepEqual({ gone: [...before.difference(after)], new: [...after.difference(before)] }, { gone: [], new: [] });
    return outcome;
  };
  const otherCase = (id: string) =>
    id.replace(/[a-z]/gi, (letter) => (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()));

  for (const [where, { takes, use, refused, header }] of Object.entries(places)) {
    describe(where, () => {
      for (const what of MODELS.filter((name) => !takes.includes(name)))
        it(`finds nothing by the id of a live ${what}`, async () => refused(await untouched(() => use(String(live[what])))));

      it('finds nothing by an id in another case, shortened, lengthened, or as its digest', async () => {
        for (const what of takes.length ? takes : ['code']) {
          const id = String(live[what]);
          for (const wrong of [otherCase(id), id.slice(1), id.slice(0, -1), `${id}A`, Buffer.from(id).toString('hex')])
            refused(await untouched(() => use(wrong)));
        }
      });

      it('refuses an empty id, one of a megabyte, and text that the database cannot store, without a server error', async () => {
        const id = String(live[takes[0] ?? 'code']);
        const wrong = header
          ? ['', 'x'.repeat(8_000), `${id}%00`]
          : ['', '%00', `${id}%00`, `%00${id}`, `${id}%ED%A0%80`, 'x'.repeat(12_000), 'x'.repeat(50_000)];
        for (const raw of [...wrong, 'x'.repeat(MEGABYTE)]) {
          const { status, body, location } = await untouched(() => use(raw));
          const told = body.startsWith('{') ? JSON.parse(body) : {};
          assert(status < 500, `${status} to ${raw.length} of ${raw.slice(0, 60)}`);
          assert(
            status >= 400 || told.active === false || body === '' || location?.includes('error='),
            `${status} ${location} ${body.slice(0, 200)}`,
          );
          assert.doesNotMatch(String(location), /[?&]code=/);
        }
      });
    });
  }

  it('still work where they belong', async () => {
    for (const where of LOOKS)
      for (const what of places[where]?.takes ?? []) {
        const response = await (places[where] as Place).use(String(live[what]));
        assert([200, 303].includes(response.status) || what === 'client credentials token', `${what} at ${where}: ${response.status}`);
        if (where.startsWith('introspection')) assert.equal(((await response.json()) as { active: boolean }).active, true, what);
        if (where === 'the cookie of a session') assert.match(String(response.headers.get('location')), /[?&]code=/);
      }
    const redeemed = await places['a code at the token endpoint']?.use(String(live['code']));
    assert.equal(redeemed?.status, 200);
    const refreshed = await places['a refresh token at the token endpoint']?.use(String(live['refresh token']));
    assert.equal(refreshed?.status, 200);
    const managed = await places['the management of a registration']?.use(String(live['registration access token']));
    assert.equal(managed?.status, 200);
  });
});
