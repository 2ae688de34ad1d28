import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { createInitialAccessToken } from '../../src/features/registration/initial-access-tokens.ts';
import { distrustSoftwareIssuer, trustSoftwareIssuer } from '../../src/features/registration/software-issuers.ts';
import { randomSecret } from '../../src/platform/secrets.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { assertRefused } from '../support/refusals.ts';
import { askToRegister, METADATA, manage, type RegisteredClient, register } from '../support/registration.ts';
import { ISSUER, softwareIssuer } from '../support/software-statement.ts';
import { countRows, unchanged } from '../support/storage.ts';

const now = () => Math.floor(Date.now() / 1000);
const SAID = { client_name: 'Stroll', software_id: 'stroll', software_version: '2.1', redirect_uris: ['https://stroll.example/cb'] };

describe('Software statements (RFC 7591 sections 2.3 and 3.1.1)', () => {
  let server: TestServer;
  let issuer: Awaited<ReturnType<typeof softwareIssuer>>;
  before(async () => {
    server = await startTestServer();
    issuer = await softwareIssuer();
    await issuer.trustedBy(server);
  });
  after(() => server.close());

  const refusedWith = async (software_statement: unknown, error: string, why: RegExp) => {
    const body = await assertRefused(await unchanged(server, () => askToRegister(server, { ...METADATA, software_statement })), 400, error);
    assert.match(String(body['error_description']), why);
    assert.match(String(body['error_description']), /^[\x20-\x7e]+$/);
  };
  const invalid = (statement: unknown, why: RegExp) => refusedWith(statement, 'invalid_software_statement', why);

  it("override the request's members, and are returned unchanged", async () => {
    const software_statement = await issuer.sign({ ...SAID, sub: 'x', jti: 'j', iat: now(), exp: now() + 60, aud: [server.issuer] });
    const client = await register(server, { client_name: 'Other', client_uri: 'https://walk.example/', software_statement });
    for (const body of [client, (await (await manage(server, client, 'GET')).json()) as RegisteredClient]) {
      for (const [member, value] of Object.entries(SAID)) assert.deepEqual(body[member], value, member);
      assert.equal(body['client_uri'], 'https://walk.example/', 'what it does not speak of is as the request says');
      assert.equal(body['software_statement'], software_statement);
      for (const member of ['iss', 'sub', 'jti', 'iat', 'exp', 'aud']) assert.equal(member in body, false, member);
    }
    const [row] = await server.sql('select metadata, publisher, registration from client where id = $1', [client.client_id]);
    const { metadata, publisher, registration } = row as { metadata: Record<string, unknown>; publisher: unknown; registration: unknown };
    assert.equal(metadata['software_statement'], software_statement);
    assert.deepEqual([publisher, registration], [null, 'dynamic'], 'it verifies nobody');
  });

  it('may contain no more than a request may', async () => {
    const software_statement = await issuer.sign({
      ...{ publisher: 'Bank', introspects: server.issuer, services: ['far'], origins: ['https://stroll.example'], owners: ['x'] },
      ...{ admin_scopes: ['admin:read'], client_id: 'mine', client_secret: 'mine', registration_access_token: 'mine' },
      ...{ registered_at: 1, dynamically_registered: false, registration_limits: { grantTypes: [], scopes: [] }, made_up: 'x' },
    });
    const client = await register(server, { software_statement });
    for (const member of ['client_id', 'client_secret', 'registration_access_token']) assert.notEqual(client[member], 'mine', member);
    const [row] = await server.sql('select * from client where id = $1', [client.client_id]);
    const { publisher, introspects, services, origins, admin_scopes, metadata } = row as Record<string, unknown>;
    assert.deepEqual([publisher, introspects, services, origins, admin_scopes], [null, null, [], [], []]);
    assert.doesNotMatch(
      JSON.stringify({ ...(metadata as object), software_statement: '' }),
      /publisher|introspects|services|origins|made_up|mine/,
    );
    assert.equal(await countRows(server, 'client_owner where client_id = $1', [client.client_id]), 0);

    for (const wrong of [{ redirect_uris: ['http://stroll.example/cb'] }, { grant_types: ['password'] }, { client_name: 'a\u202eb' }]) {
      const statement = await issuer.sign(wrong as JWTPayload);
      const answer = await unchanged(server, () => askToRegister(server, { ...METADATA, software_statement: statement }));
      assert.equal(answer.status, 400, JSON.stringify(wrong));
      assert.match(((await answer.json()) as { error: string }).error, /^invalid_(client_metadata|redirect_uri)$/);
    }
  });

  it('are refused if they are no signed JWT, or too long', async () => {
    for (const wrong of [1, true, {}, ['x'], 'x', 'a.b', 'a.b.c.d', 'a.b.c', 'eyJhbGciOiJFUzI1NiJ9.W10.c2ln', 'é.é.é'])
      await invalid(wrong, /software_statement (must be a signed|is no) JWT/);
    await invalid(await issuer.sign({ padding: 'x'.repeat(7_000) }), /8192 characters or fewer/);
    await invalid(await issuer.sign({ client_name: 'a\0b' }), /is no JWT that can be read/);
  });

  it('are refused without a trusted signature of their issuer', async () => {
    const [stranger, unsigned] = [await softwareIssuer(), new UnsecuredJWT({ iss: ISSUER, ...SAID }).encode()];
    await invalid(unsigned, /signed with RS256, PS256, ES256 or EdDSA/);
    await invalid(await stranger.sign(SAID), /signature is wrong/);
    await invalid(await issuer.sign(SAID, { kid: 'two' }), /not known by here/);
    const key = new TextEncoder().encode(JSON.stringify(issuer.jwk).padEnd(64));
    const symmetric = await new SignJWT({ iss: ISSUER, ...SAID }).setProtectedHeader({ alg: 'HS256', kid: 'one' }).sign(key);
    await invalid(symmetric, /signed with RS256/);
    for (const header of [{ jwk: stranger.jwk }, { jku: 'https://127.0.0.1/jwks' }, { x5u: 'https://127.0.0.1/x5u' }])
      await invalid(await stranger.sign(SAID, header as never), /signature is wrong/);
    const [head, , tail] = (await issuer.sign(SAID)).split('.');
    const other = Buffer.from(JSON.stringify({ iss: ISSUER, client_name: 'Else' })).toString('base64url');
    await invalid(`${head}.${other}.${tail}`, /signature is wrong/);
  });

  it('are refused if they have expired or are not yet valid', async () => {
    await invalid(await issuer.sign({ ...SAID, exp: now() - 120 }), /has expired/);
    await invalid(await issuer.sign({ ...SAID, nbf: now() + 600 }), /not valid yet/);
    await invalid(await issuer.sign({ ...SAID, iat: now() + 600 }), /of the future/);
    for (const claims of [{ exp: 'soon' }, { iat: 'now' }])
      await invalid(await issuer.sign({ ...SAID, ...claims } as never), /dates are numbers/);
  });

  it('are unapproved if the issuer is not trusted, or another server is the audience', async () => {
    const stranger = await softwareIssuer({ issuer: 'https://stranger.example' });
    const unapproved = 'unapproved_software_statement';
    await refusedWith(await stranger.sign(SAID), unapproved, /not trusted here: register without it/);
    await refusedWith(await issuer.sign({ ...SAID, aud: 'https://elsewhere.example' }), unapproved, /for another server/);
    await invalid(await issuer.sign({ ...SAID, iss: undefined } as never), /must name its issuer/);
  });

  it('may be signed with several keys of each trusted kind; the statement names the key', async () => {
    const kinds = ['RS256', 'PS256', 'ES256', 'EdDSA'];
    const several = await Promise.all(kinds.map((alg) => softwareIssuer({ issuer: 'https://many.example', alg, kid: alg })));
    const jwks = { keys: several.map(({ jwk }) => jwk) };
    await server.database.change(trustSoftwareIssuer({ issuer: 'https://many.example', name: 'Many', jwks }));
    for (const { sign } of several) await register(server, { software_statement: await sign(SAID) });
    const [rs, ps] = several as [(typeof several)[0], (typeof several)[0]];
    await invalid(await rs.sign(SAID, { kid: 'PS256' }), /signature is wrong/);
    await invalid(await ps.sign(SAID, { kid: undefined } as never), /must say by which key/);
  });

  it('may be repeated, replaced or removed by an update, and are valid while their issuer is trusted', async () => {
    const passing = await softwareIssuer({ issuer: 'https://passing.example' });
    await passing.trustedBy(server);
    const software_statement = await passing.sign({ ...SAID, exp: now() + 600 });
    let client = await register(server, { software_statement });
    const update = async (more: Record<string, unknown>) => {
      const answer = await manage(server, client, 'PUT', { ...METADATA, client_id: client.client_id, ...more });
      const body = (await answer.json()) as RegisteredClient & { error?: string };
      if (answer.status === 200) client = { ...client, ...body };
      return { status: answer.status, body };
    };
    // The issuer now signs with another key: the earlier decision still holds.
    await (await softwareIssuer({ issuer: passing.issuer })).trustedBy(server);
    const same = await update({ software_statement });
    assert.equal(same.status, 200, JSON.stringify(same.body));
    assert.equal(same.body['client_name'], SAID.client_name, 'and counts over what the update says');

    const forged = await (await softwareIssuer({ issuer: passing.issuer })).sign({ client_name: 'Else' });
    const wrong = await unchanged(server, () => update({ software_statement: forged }));
    assert.deepEqual([wrong.status, wrong.body.error], [400, 'invalid_software_statement']);
    const other = await update({ software_statement: await issuer.sign({ client_name: 'Promenade' }) });
    assert.deepEqual([other.status, other.body['client_name']], [200, 'Promenade']);
    const stolen = { ...client, registration_access_token: 'made-up' };
    const stranger = await unchanged(server, () =>
      manage(server, stolen, 'PUT', { ...METADATA, client_id: client.client_id, software_statement: forged }),
    );
    await assertRefused(stranger, 401, 'invalid_token');

    assert.equal(
      (await update({ software_statement })).body.error,
      'invalid_software_statement',
      'one that it does not have now is judged anew',
    );
    for (const nothing of [{}, { software_statement: null }, { software_statement: '' }]) {
      await update({ software_statement: await issuer.sign({ client_name: 'Promenade' }) });
      const without = await update(nothing);
      assert.deepEqual([without.status, without.body['software_statement'], without.body['client_name']], [200, undefined, 'Walk']);
    }
    const kept = await register(server, { software_statement: await issuer.sign(SAID) });
    await server.database.change(distrustSoftwareIssuer(ISSUER));
    const again = { ...METADATA, client_id: kept.client_id, software_statement: kept['software_statement'] };
    await assertRefused(await unchanged(server, () => manage(server, kept, 'PUT', again)), 400, 'unapproved_software_statement');
    assert.equal((await manage(server, kept, 'GET')).status, 200, 'the client itself stays');
    await issuer.trustedBy(server);
  });

  it('do not replace an initial access token', async () => {
    const guarded = await startTestServer({ registration: 'token' });
    try {
      await issuer.trustedBy(guarded);
      const software_statement = await issuer.sign(SAID);
      for (const statement of [software_statement, 'x'])
        assert.equal((await unchanged(guarded, () => askToRegister(guarded, { ...METADATA, software_statement: statement }))).status, 401);
      const secret = randomSecret();
      const token = { name: 'Walk', maxClients: 1, lifeSeconds: 60, grantTypes: ['authorization_code'], scopes: [] };
      await guarded.database.change(createInitialAccessToken(secret, token));
      const headers = { authorization: `Bearer ${secret}` };
      const beyond = await issuer.sign({ ...SAID, grant_types: ['client_credentials'] });
      const refused = await unchanged(guarded, () => askToRegister(guarded, { ...METADATA, software_statement: beyond }, headers));
      assert.equal(refused.status, 400, 'what the token allows is all that there is');
      const made = await askToRegister(guarded, { ...SAID, software_statement }, headers);
      assert.equal(made.status, 201, await made.text());
    } finally {
      await guarded.close();
    }
  });

  it('limit software names to text of bounded length', async () => {
    for (const member of ['software_id', 'software_version'])
      for (const wrong of ['x'.repeat(101), 'a\u202eb', 1, {}, ['x']])
        await unchanged(server, async () =>
          assertRefused(await askToRegister(server, { ...METADATA, [member]: wrong }), 400, 'invalid_client_metadata'),
        );
    const client = await register(server, { software_id: '산책', software_version: '1' });
    assert.deepEqual([client['software_id'], client['software_version']], ['산책', '1']);
  });
});
