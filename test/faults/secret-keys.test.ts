import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { randomSecret } from '../../src/platform/secrets.ts';
import { portOf, startBalancer } from '../support/balancer.ts';
import { runCommandAside } from '../support/command.ts';
import { createDatabase, freePort, type TestDatabase } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { obtainTokens, type TestClient } from '../support/flow.ts';
import { createHouse, type House, type TestProcess } from '../support/processes.ts';
import { startRelay, type TestRelay } from '../support/relay.ts';
import { beginReset } from '../support/sign-up.ts';

// SIGN_INS=10 is what docs/operate/faults.md reports.
const SIGN_INS = Number(process.env['SIGN_INS'] ?? 3);

/** Two nodes behind a balancer that gives each request to the other one. Keys change as docs say: one node after another. */
describe('New first keys in COOKIE_KEYS and DATA_ENCRYPTION_KEYS, while nodes differ', () => {
  let database: TestDatabase;
  let house: House;
  let balancer: Awaited<ReturnType<typeof startBalancer>>;
  let relay: TestRelay;
  let client: TestClient;
  let nodes: TestProcess[];
  const old = { cookie: randomSecret(), data: randomBytes(32) };
  const fresh = { cookie: randomSecret(), data: randomBytes(32) };
  const both = { COOKIE_KEYS: [fresh.cookie, old.cookie].join(), DATA_ENCRYPTION_KEYS: [fresh.data, old.data].map(inBase64).join() };

  before(async () => {
    database = await createDatabase();
    relay = await startRelay();
    const port = await freePort();
    const issuer = `http://localhost:${port}`;
    house = await createHouse(database.url, { issuer, cookieKeys: [old.cookie], dataEncryptionKeys: [new Uint8Array(old.data)] });
    client = await house.createClient();
    nodes = [await start(), await start()];
    balancer = await startBalancer(nodes.map(portOf), port);
  });
  after(async () => {
    balancer.close();
    await house.close();
    await relay.close();
    await database.drop();
  });

  const start = (variables: Record<string, string> = {}) => house.start({ SMTP_URL: relay.url, ...variables });

  async function replace(index: number, variables: Record<string, string>): Promise<void> {
    const node = await start(variables);
    balancer.add(portOf(node));
    await balancer.sees(portOf(node));
    const before = nodes[index] as TestProcess;
    balancer.remove(portOf(before));
    await before.kill('SIGTERM');
    nodes[index] = node;
  }

  /** Each sign-in goes over both nodes, and so does a letter: one of them seals it, and either sends it. */
  async function everythingWorks(): Promise<void> {
    const site = { ...(nodes[0] as TestProcess), send: fetch };
    const letters = relay.received.length;
    for (let n = 0; n < SIGN_INS; n++) {
      const person = await house.createPerson();
      await obtainTokens(site, client, person, { scope: 'openid profile' });
      await beginReset(site as never, client, person.email);
    }
    await eventually('every letter has left', () => relay.received.length >= letters + SIGN_INS);
    assert.deepEqual(
      nodes.flatMap((node) => [...node.logged('mail_given_up'), ...node.logged('mail_failed')]),
      [],
    );
  }

  const keys = (...args: string[]) => {
    const config = {
      issuer: house.issuer,
      databaseUrl: database.url,
      cookieKeys: [fresh.cookie, old.cookie],
      dataEncryptionKeys: [fresh.data, old.data],
    };
    return runCommandAside({ config } as never, 'keys', ...args);
  };

  const waiting = async () => (await house.sql('select kind from key_use where used_from > now() order by 1')).map(({ kind }) => kind);

  it(`while one node alone has them, ${SIGN_INS} of ${SIGN_INS} people sign in, and no letter is lost`, async () => {
    await everythingWorks();
    await replace(0, both);
    assert.deepEqual(await waiting(), ['cookie', 'data']);
    assert.equal(nodes[0]?.logged('key_waits').length, 2, 'it says so');
    await everythingWorks();
  });

  it('once every node has them, `munjigi keys use` puts them to use, and nobody notices', async () => {
    await replace(1, both);
    await everythingWorks();
    const load = everythingWorks();
    const { status, stdout, stderr } = await keys('use');
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^cookie +\S+\ndata +\S/m);
    await load;
    await eventually('both nodes write with them', () => nodes.every((node) => node.logged('key_used').length === 2));
    await everythingWorks();
  });

  it('when the old keys are dropped, nothing needs them that was written since', async () => {
    const { status, stderr } = await keys('replace', '--yes');
    assert.equal(status, 0, stderr);
    const alone = { COOKIE_KEYS: fresh.cookie, DATA_ENCRYPTION_KEYS: inBase64(fresh.data) };
    await replace(0, alone);
    await everythingWorks();
    await replace(1, alone);
    await everythingWorks();
  });
});

function inBase64(key: Uint8Array): string {
  return Buffer.from(key).toString('base64url');
}
