import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createRemoteJWKSet, customFetch, decodeProtectedHeader, type JWK, jwtVerify } from 'jose';
import pg from 'pg';
import { watchSigningKeys } from '../../src/oauth/keys/key-watch.ts';
import { replaceSigningKeys, rotateSigningKeys } from '../../src/oauth/keys/signing-keys.ts';
import { createLog } from '../../src/platform/log.ts';
import { KeyRing } from '../../src/platform/secrets.ts';
import { whileDeaf } from '../support/deaf.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { obtainTokens, post, refresh, type TestClient, type Tokens } from '../support/flow.ts';
import { waitingForLocks } from '../support/lock.ts';

/** The times of keys are stored in rows. Tests change the rows and never wait an hour. */
describe('Rotation of the signing keys, on two nodes', () => {
  let server: TestServer;
  let nodes: [TestServer, TestServer];
  let client: TestClient;
  let person: { email: string; password: string };
  let keyRing: KeyRing;

  before(async () => {
    server = await startTestServer();
    nodes = [server, await server.secondNode()];
    client = await server.createClient();
    person = await server.createPerson();
    keyRing = new KeyRing(server.config.dataEncryptionKeys);
  });
  after(async () => {
    await nodes[1].close();
    await server.close();
  });

  const published = async (node: TestServer) => {
    const { keys } = (await (await node.send(`${node.issuer}/oauth/jwks`)).json()) as { keys: { kid: string }[] };
    return keys.map(({ kid }) => kid);
  };
  const onBoth = async (isSo: (kids: string[]) => boolean) => (await Promise.all(nodes.map(published))).every(isSo);
  const stored = async (condition: string) =>
    (await server.sql(`select kid from signing_key where ${condition}`)).map(({ kid }) => String(kid));
  const resource = () => `${server.issuer}/api/posts`;
  const bothPublishWhatIsStored = () =>
    eventually('both publish the keys that are stored, and no others', async () => {
      const kids = (await stored('true')).toSorted().join();
      return onBoth((seen) => seen.toSorted().join() === kids);
    });
  const accessToken = async (node: TestServer) => {
    const response = await post(node, '/oauth/token', client, {
      grant_type: 'client_credentials',
      resource: resource(),
      scope: 'posts:read',
    });
    assert.equal(response.status, 200);
    return ((await response.json()) as Tokens).access_token;
  };
  const signer = async (node: TestServer) => String(decodeProtectedHeader(await accessToken(node)).kid);
  const becomeDue = () =>
    server.sql(`update signing_key set active_at = case when active_at > now() then now() else active_at end,
      retired_at = case when retired_at > now() then now() else retired_at end`);

  /** A verifier with a cached copy of the published keys. It fetches them again when the copy is old, never because a key is missing. */
  const copyHolder = (node: TestServer) =>
    createRemoteJWKSet(new URL(`${node.issuer}/oauth/jwks`), {
      [customFetch]: node.send as never,
      cacheMaxAge: 100,
      cooldownDuration: 3_600_000,
    });

  /** Issues tokens of both kinds at one node and verifies them with the other node's keys, until `stop`. */
  function underLoad() {
    const copies = nodes.map(copyHolder);
    const issued: { kid: string; node: number; token: string; audience: string }[] = [];
    let running = true;
    const verified = async (node: number, token: string, audience: string) => {
      const { protectedHeader } = await jwtVerify(token, copies[1 - node] as (typeof copies)[number], { issuer: server.issuer, audience });
      issued.push({ kid: String(protectedHeader.kid), node, token, audience });
    };
    const accessTokens = async (node: number) => {
      while (running) await verified(node, await accessToken(nodes[node] as TestServer), resource());
    };
    const idTokens = async (node: number) => {
      let tokens: Tokens = await obtainTokens(server, client, person);
      while (running) {
        const response = await refresh(nodes[node] as TestServer, client, String(tokens.refresh_token));
        assert.equal(response.status, 200);
        tokens = (await response.json()) as Tokens;
        await verified(node, String(tokens.id_token), client.client_id);
      }
    };
    const work = Promise.allSettled([0, 1].flatMap((node) => [accessTokens(node), idTokens(node)]));
    return {
      copies,
      issued,
      async stop() {
        running = false;
        for (const result of await work) if (result.status === 'rejected') throw result.reason;
      },
    };
  }

  it('causes no failure: both nodes publish a new key before it signs, and old tokens still verify', async () => {
    const old = await stored('true');
    const load = underLoad();
    const bothSignWith = (kids: string[]) =>
      [0, 1].every((node) => kids.every((kid) => load.issued.some((one) => one.node === node && one.kid === kid)));
    // The load asks for ID tokens and for JWTs of the posts, so two algorithms are used.
    const used = "algorithm in ('RS256', 'ES256')";
    const signing = await stored(used);
    await eventually('each node signs with each key', () => bothSignWith(signing));
    await rotateSigningKeys(server.database, keyRing);
    const fresh = await stored('active_at > now()');
    assert.equal(fresh.length, 4);
    await eventually('both nodes publish the new keys', () => onBoth((kids) => fresh.every((kid) => kids.includes(kid))));
    await eventually('every copy has them', () =>
      load.copies.every((copy) => fresh.every((kid) => copy.jwks()?.keys.some((key) => key.kid === kid))),
    );
    assert.deepEqual([...new Set(load.issued.map(({ kid }) => kid))].toSorted(), signing.toSorted(), 'a key signed before its moment');

    const ofOld = load.issued.length;
    await becomeDue();
    const next = (await stored(used)).filter((kid) => fresh.includes(kid));
    await eventually('each node signs with each new key', () => bothSignWith(next));
    await load.stop();
    assert.ok(await onBoth((kids) => old.every((kid) => kids.includes(kid))), 'the old keys are still published');
    for (const node of nodes)
      for (const { token, audience } of load.issued.slice(0, ofOld))
        await jwtVerify(token, copyHolder(node), { issuer: server.issuer, audience });

    await server.sql("update signing_key set retired_at = now() - interval '2 hours' where retired_at is not null");
    await eventually('the old keys are published no longer', () => onBoth((kids) => !old.some((kid) => kids.includes(kid))));
    await eventually('nor are they kept', async () => (await stored('true')).length === 4);
    assert.deepEqual((await stored('true')).toSorted(), fresh.toSorted());
  });

  it('lets a request in progress finish with its original key', async () => {
    const { refresh_token } = await obtainTokens(server, client, person);
    const [old] = await stored("algorithm = 'RS256' and retired_at is null");
    await rotateSigningKeys(server.database, keyRing);
    const holder = new pg.Client({ connectionString: server.config.databaseUrl });
    await holder.connect();
    await holder.query('begin');
    await holder.query('lock table token in access exclusive mode');
    const answer = refresh(server, client, String(refresh_token));
    await eventually('the request waits', async () => (await waitingForLocks(server)).length > 0);
    await becomeDue();
    const [fresh] = await stored("algorithm = 'RS256' and retired_at is null");
    await eventually('the node has the new key in front', async () => (await published(server)).slice(0, 2).includes(String(fresh)));
    await holder.query('rollback');
    await holder.end();
    const { id_token } = (await (await answer).json()) as Tokens;
    const { protectedHeader } = await jwtVerify(String(id_token), copyHolder(nodes[1]), { audience: client.client_id });
    assert.equal(protectedHeader.kid, old);
    assert.notEqual(fresh, old);
  });

  it('takes effect at its time, without a notification', async () => {
    await rotateSigningKeys(server.database, keyRing);
    const [fresh] = await stored("algorithm = 'ES256' and active_at > now()");
    await server.sql("update signing_key set retired_at = now() + interval '1 second' where retired_at > now()");
    await server.sql("update signing_key set active_at = now() + interval '1 second' where active_at > now()");
    await eventually('both sign with it', async () => (await Promise.all(nodes.map(signer))).every((kid) => kid === fresh));
    const [{ due } = { due: false }] = await server.sql('select active_at <= now() as due from signing_key where kid = $1', [fresh]);
    assert.equal(due, true);
  });

  it('of leaked keys leaves nothing: new keys sign at once, and the old are no longer published', async () => {
    const [old, token] = [await stored('true'), await accessToken(server)];
    await replaceSigningKeys(server.database, keyRing);
    const fresh = await stored('true');
    await bothPublishWhatIsStored();
    for (const node of nodes) {
      assert.ok(fresh.includes(await signer(node)));
      await assert.rejects(jwtVerify(token, copyHolder(node), { audience: resource() }), { code: 'ERR_JWKS_NO_MATCHING_KEY' });
    }
    assert.deepEqual(
      fresh.filter((kid) => old.includes(kid)),
      [],
    );
  });

  it('reaches a node that was deaf as soon as it listens again', async () => {
    const before = await stored('true');
    await whileDeaf(server, async () => {
      await replaceSigningKeys(server.database, keyRing);
      assert.ok(await onBoth((kids) => kids.toSorted().join() === before.toSorted().join()), 'the nodes were to be deaf');
    });
    await bothPublishWhatIsStored();
  });

  it('reaches a permanently deaf node by age', async () => {
    const seen: string[] = [];
    const deaf = { ...server.database, listen: () => ({ heard: () => false }) };
    const watch = await watchSigningKeys({ database: deaf, keyRing, log: createLog('silent'), readEveryMs: 20 }, ({ keys }) =>
      seen.push(keys.map((key: JWK) => key.kid).join()),
    );
    await rotateSigningKeys(server.database, keyRing);
    const fresh = await stored('active_at > now()');
    await eventually('it has them', () => seen.length === 2);
    assert.ok(fresh.every((kid) => seen[1]?.includes(kid)));
    watch.close();
  });

  it('with keys that a node cannot decrypt leaves it with its current keys and a log line', async () => {
    await bothPublishWhatIsStored();
    const before = await published(server);
    const [{ kid, private_jwk } = {}] = await server.sql('select kid, private_jwk from signing_key where active_at > now() limit 1');
    await server.sql("update signing_key set private_jwk = 'v1.00000000.AAAA.AAAA' where kid = $1", [kid]);
    // The node does not decrypt an unchanged set of keys again, but does so for another set.
    await server.sql(
      "insert into signing_key (kid, algorithm, private_jwk, active_at) values ('strange', 'ES256', 'v1.0.A.A', now() + interval '1 day')",
    );
    await eventually('the log says so', () => server.logLines().some((line) => line.includes('signing_keys_not_read')));
    assert.deepEqual(await published(server), before);
    await accessToken(server);
    await server.sql('update signing_key set private_jwk = $2 where kid = $1', [kid, private_jwk]);
    await server.sql("delete from signing_key where kid = 'strange'");
  });

  it('builds a new provider only when other keys are published or sign', async () => {
    const swaps = () => server.logLines().filter((line) => line.includes('signing_keys_changed')).length;
    await bothPublishWhatIsStored();
    const before = swaps();
    await server.sql('update signing_key set created_at = now()');
    await replaceSigningKeys(server.database, keyRing);
    await bothPublishWhatIsStored();
    assert.equal(swaps() - before, 2, 'once for each node');
  });

  it('creates successors when keys are 90 days old, on one of the nodes, and records it', async () => {
    const before = await stored('retired_at is null');
    const made = async () => (await stored('retired_at is null and active_at > now()')).length;
    await server.sql(`update signing_key set active_at = now() - interval '89 days' where retired_at is null`);
    await bothPublishWhatIsStored();
    assert.equal(await made(), 0);
    await server.sql(`update signing_key set active_at = now() - interval '90 days' where retired_at is null`);
    await eventually('each algorithm has its next key', async () => (await made()) === before.length);
    await bothPublishWhatIsStored();
    assert.equal(await made(), before.length, 'and no second one');
    const told = await server.sql(`select detail->>'by' as by from audit_event where type = 'keys_rotated' and request_id = 'schedule'`);
    assert.deepEqual(told, [{ by: 'schedule' }]);
    await becomeDue();
    await bothPublishWhatIsStored();
  });
});
