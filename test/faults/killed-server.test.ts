import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createDatabase, startTestServer, type TestServer } from '../support/environment.ts';
import { obtainCode, obtainTokens, redeem, refresh, type TestClient, type Tokens } from '../support/flow.ts';
import type { Person } from '../support/person.ts';
import { createHouse, type House, waitUntil } from '../support/processes.ts';
import { createWire, type Moment } from '../support/wire.ts';

/** In all; RUNS=200 is the full form. */
const RUNS = Number(process.env['RUNS'] ?? 20);
// A process that is killed is a process that must be started: so many at a time.
const LANES = 2;

type Point = { name: string; moment: Moment; statement: 'read' | 'write' };

/** Where the server dies, told by its statements as they pass: it is the database that decides what came of them. */
const POINTS: Point[] = [
  { name: 'before it reads', moment: 'arrives', statement: 'read' },
  { name: 'when it has read', moment: 'answered', statement: 'read' },
  { name: 'before its write arrives', moment: 'arrives', statement: 'write' },
  { name: 'while its write is made', moment: 'forwarded', statement: 'write' },
  { name: 'when its write is made', moment: 'answered', statement: 'write' },
];

type Exchange = {
  name: string;
  read: RegExp;
  write: RegExp;
  /** What there is to lose. @returns the request, and what is true of the rows when it has been made or not. */
  prepare(lane: Lane): Promise<{ value: string; send(site: Pick<TestServer, 'issuer' | 'send'>): Promise<Response>; added: number }>;
};

type Lane = { client: TestClient; browser: Person };

describe('A server that is killed in the middle of an exchange', () => {
  let steady: TestServer;
  let house: House;
  let url: string;
  let person: { email: string; password: string };

  before(async () => {
    const database = await createDatabase();
    url = database.url;
    steady = await startTestServer({}, database);
    person = await steady.createPerson();
    house = await createHouse(url, steady.config);
  });
  after(async () => {
    await house.close();
    await steady.close();
  });

  const exchanges: Exchange[] = [
    {
      name: 'code',
      read: /^\s*select .* from authorization_code /s,
      write: /update authorization_code set consumed_at/,
      async prepare({ client, browser }) {
        const code = await obtainCode(steady, client, person, {}, browser);
        return { value: code.code, send: (site) => redeem(site as TestServer, client, code), added: 2 };
      },
    },
    {
      name: 'refresh token',
      read: /^\s*select .* from token /s,
      write: /update token set consumed_at/,
      async prepare({ client, browser }) {
        const code = await obtainCode(steady, client, person, {}, browser);
        const { refresh_token } = (await (await redeem(steady, client, code)).json()) as Tokens;
        return { value: refresh_token as string, send: (site) => refresh(site as TestServer, client, refresh_token as string), added: 2 };
      },
    },
  ];

  for (const exchange of exchanges) {
    it(`either the ${exchange.name} is as good as before or its tokens exist (${RUNS / 2} runs)`, async () => {
      const outcomes: Record<string, Record<string, number>> = {};
      let run = 0;
      const lane = async () => {
        const client = await steady.createClient();
        const { person: browser } = await obtainTokens(steady, client, person);
        while (run < RUNS / 2) {
          const point = POINTS[run++ % POINTS.length] as Point;
          const outcome = await dieAt(point, exchange, { client, browser });
          outcomes[point.name] ??= {};
          (outcomes[point.name] as Record<string, number>)[outcome] = (outcomes[point.name]?.[outcome] ?? 0) + 1;
        }
      };
      await Promise.all(Array.from({ length: LANES }, lane));
      if (process.env['RUNS']) console.log(exchange.name, outcomes);
      // What cannot have been made, and what must have been.
      for (const { name } of POINTS.slice(0, 3)) assert.deepEqual(Object.keys(outcomes[name] ?? {}), ['as before'], name);
      for (const outcome of Object.keys(outcomes['when its write is made'] ?? {})) assert.match(outcome, /^made/);
    });
  }

  /** One process, started for this and killed at the point. @returns what came of it. */
  async function dieAt(point: Point, exchange: Exchange, lane: Lane): Promise<string> {
    const { value, send, added } = await exchange.prepare(lane);
    const count = async () => (await steady.sql('select from token where client_id = $1', [lane.client.client_id])).length;
    const before = await count();
    let pid: number | undefined;
    let killed = 0;
    const wire = await createWire(url, (moment, text) => {
      if (pid === undefined || killed || moment !== point.moment || !exchange[point.statement].test(text)) return;
      killed += 1;
      process.kill(pid, 'SIGKILL');
      return moment !== 'arrives';
    });
    const meetItsEnd = async () => {
      const victim = await house.start({ DATABASE_URL: `${wire.url}?application_name=victim_${lane.client.client_id}`, PORT: '0' });
      pid = victim.pid;
      const answer = await send(victim).then(
        ({ status }) => status,
        () => 'nothing',
      );
      await victim.kill('SIGKILL');
      assert.equal(killed, 1, `it never came to the point ${point.name}; answered ${answer}`);
      // What reached the database takes its course: until nobody is there any more who could change anything.
      const backends = "select from pg_stat_activity where application_name = 'victim_' || $1";
      await waitUntil(async () => !(await steady.sql(backends, [lane.client.client_id])).length);
      return answer;
    };
    const heard = await meetItsEnd().finally(wire.close);

    const [{ consumed }] = (await steady.sql(
      `select consumed_at is not null as consumed from (select id, consumed_at from token union all select id, consumed_at from authorization_code) t
       where id = sha256($1::bytea)`,
      [Buffer.from(value)],
    )) as [{ consumed: boolean }];
    const tokens = (await count()) - before;
    if (consumed) {
      assert.equal(tokens, added, `${point.name}: consumed, with ${tokens} tokens`);
      return heard === 200 ? 'made, and the client was told' : 'made, and the client heard nothing';
    }
    assert.equal(tokens, 0, `${point.name}: not consumed, with ${tokens} tokens`);
    assert.equal(heard, 'nothing');
    assert.equal((await send(steady)).status, 200, `${point.name}: not consumed, and of no use`);
    assert.equal(await count(), before + added);
    return 'as before';
  }
});
