import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createDatabase, type TestDatabase } from '../support/environment.ts';
import {
  approve,
  authorizePath,
  createResourceServerClient,
  introspect,
  obtainCode,
  pkce,
  post,
  redeem,
  refresh,
  type TestClient,
  type Tokens,
} from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { createHouse, type House, type TestProcess } from '../support/processes.ts';
import { setUses } from '../support/second-use.ts';

const PARALLEL = 50;
/** ROUNDS=100 is the full form. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 10);
const RACES = 5 * ROUNDS;

describe('Exactly once, over two processes (RFC 9700 sections 2.1.1 and 4.14)', () => {
  let database: TestDatabase;
  let house: House;
  let nodes: TestProcess[];
  let one: TestProcess;
  let other: TestProcess;
  let client: TestClient;
  let patient: TestClient;
  let lasting: TestClient;
  let api: TestClient;
  let credentials: { email: string; password: string };
  let browser: Person;

  before(async () => {
    database = await createDatabase();
    house = await createHouse(database.url);
    one = await house.start();
    other = await house.start();
    nodes = [one, other];
    // Without a window, with the widest one, and without rotation.
    client = await house.createClient({ refresh_token_grace: 0 });
    patient = await house.createClient({ refresh_token_grace: 60 });
    lasting = await house.createClient({ refresh_token_rotation: false });
    api = await createResourceServerClient(one);
    credentials = await house.createPerson();
    browser = new Person(house.issuer);
  });
  after(async () => {
    await house.close();
    await database.drop();
  });

  /** The same request many times at once, by turns to either process; whoever is shed (503) tries again. @returns the bodies of those that won and lost. */
  async function atOnce(send: (node: TestProcess) => Promise<Response>) {
    const answers = await Promise.all(
      Array.from({ length: PARALLEL }, async (_, n) => {
        let response = await send(nodes[n % 2] as TestProcess);
        while (response.status === 503 && response.headers.has('retry-after')) response = await send(nodes[n % 2] as TestProcess);
        return { status: response.status, ...((await response.json()) as Tokens & { error?: string }) };
      }),
    );
    return { won: answers.filter(({ status }) => status === 200), lost: answers.filter(({ status }) => status !== 200) };
  }

  const isActive = async (token: string) => (await introspect(other, api, token))['active'] === true;
  const stored = async (of = client) =>
    (await house.sql('select kind from token where client_id = $1 and consumed_at is null', [of.client_id])).length;

  it(`of ${PARALLEL} redemptions of one code one gets tokens, and a later replay ends them (${ROUNDS} rounds)`, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const code = await obtainCode(one, client, credentials, {}, browser);
      const { won, lost } = await atOnce((node) => redeem(node, client, code));
      assert.equal(won.length, 1, `round ${round}`);
      assert.deepEqual([...new Set(lost.map(({ status, error }) => `${status} ${error}`))], ['400 invalid_grant']);
      // Two, or none when one of the losers came so late that it counts as a replay.
      assert.ok([0, 2].includes(await stored()));
      await setUses(house, 1.1);
      assert.equal((await redeem(other, client, code)).status, 400);
      for (const token of [won[0]?.access_token, won[0]?.refresh_token]) assert.equal(await isActive(token as string), false);
      assert.equal(await stored(), 0, 'no tokens but the winner’s were ever made');
    }
  });

  it(`of ${PARALLEL} uses of one refresh token without a window one gets tokens, and a later replay ends the family (${ROUNDS} rounds)`, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const tokens = await obtain();
      const { won, lost } = await atOnce((node) => refresh(node, client, tokens.refresh_token as string));
      assert.equal(won.length, 1, `round ${round}`);
      assert.deepEqual([...new Set(lost.map(({ status, error }) => `${status} ${error}`))], ['400 invalid_grant']);
      assert.equal((await refresh(other, client, tokens.refresh_token as string)).status, 400);
      for (const token of [tokens.access_token, won[0]?.access_token, won[0]?.refresh_token])
        assert.equal(await isActive(token as string), false);
      assert.equal((await refresh(one, client, won[0]?.refresh_token as string)).status, 400);
      assert.equal(await stored(), 0, 'a fork survived the replay');
    }
  });

  it(`of ${PARALLEL} uses of one refresh token within the window all get one answer, and a later replay ends the family (${ROUNDS} rounds)`, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const tokens = await obtain(patient);
      const { won, lost } = await atOnce((node) => refresh(node, patient, tokens.refresh_token as string));
      assert.deepEqual(lost, [], `round ${round}`);
      assert.equal(new Set(won.map(({ access_token, refresh_token }) => `${access_token} ${refresh_token}`)).size, 1, `round ${round}`);
      assert.equal(await stored(patient), 3, 'the access token of the code, and one successor');
      const next = (await (await refresh(one, patient, won[0]?.refresh_token as string)).json()) as Tokens;
      assert.equal((await refresh(other, patient, tokens.refresh_token as string)).status, 400, 'an older generation');
      for (const token of [tokens.access_token, won[0]?.access_token, next.access_token, next.refresh_token])
        assert.equal(await isActive(token as string), false);
      assert.equal(await stored(patient), 0, 'a fork survived the replay');
    }
  });

  const rivals = ['revocation', 'sign-out', 'both'] as const;
  it(`a refresh against revocation, sign-out, or both: nothing is active afterwards, whoever comes first (${RACES} rounds)`, async () => {
    const ways = [client, patient, lasting];
    const wins = { refreshed: 0, refused: 0 };
    for (let round = 0; round < RACES; round++) {
      const rival = rivals[round % rivals.length];
      const client = ways[Math.floor(round / rivals.length) % ways.length] as TestClient;
      const tokens = await obtain(client);
      const signOut = rival === 'revocation' ? undefined : await browser.open('/oauth/logout');
      const [near, far] = round % 2 ? [one, other] : [other, one];
      const refreshing = refresh(near, client, tokens.refresh_token as string);
      const [refreshed, revoked, signedOut] = await Promise.all([
        refreshing,
        rival === 'sign-out' ? undefined : post(far, '/oauth/revoke', client, { token: tokens.refresh_token as string }),
        signOut?.submit({ logout: 'yes' }),
      ]);
      assert.equal(revoked?.status ?? 200, 200);
      assert.equal(signedOut?.response.status ?? 200, 200);
      const next = (await refreshed.json()) as Partial<Tokens> & { error?: string };
      assert.ok(refreshed.status === 200 || next.error === 'invalid_grant', `${refreshed.status} ${next.error}`);
      wins[refreshed.status === 200 ? 'refreshed' : 'refused']++;
      for (const token of [tokens.access_token, tokens.refresh_token, next.access_token, next.refresh_token])
        if (token) assert.equal(await isActive(token), false, `round ${round}, against ${rival}, answered ${refreshed.status}`);
      if (next.refresh_token) assert.equal((await refresh(near, client, next.refresh_token)).status, 400);
    }
    if (process.env['ROUNDS']) console.log(wins);
  });

  async function obtain(by = client): Promise<Tokens> {
    const { code_verifier, ...challenge } = pkce();
    const answer = await approve(one, browser, credentials, authorizePath(by, challenge));
    const code = { code: answer.get('code') as string, code_verifier, redirect_uri: by.redirect_uri };
    const response = await redeem(one, by, code);
    assert.equal(response.status, 200);
    return (await response.json()) as Tokens;
  }
});
