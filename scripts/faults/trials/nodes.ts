import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { portOf } from '../../../test/support/balancer.ts';
import { clientCredentials, introspect } from '../../../test/support/flow.ts';
import { ROOT } from '../../bootstrap/node.mjs';
import { newDatabase } from '../cluster.ts';
import { brokenOf, concluded, type Fault, type Outcome, type Trial } from '../fault.ts';
import { type Ground, openGround } from '../ground.ts';
import { percentile } from '../load.ts';

/** Faults of a node and of what reaches it: F12, F15, F20. */

const HOUR_MS = 3_600_000;
const FOR_MS = 20_000;

/** One node is an hour ahead, the other an hour behind. */
async function clocksDiffer({ cluster }: Trial): Promise<Outcome> {
  const shifted = `--import=${join(ROOT, 'test/support/shifted-clock.mjs')}`;
  const variables = (index: number) => ({ CLOCK_SHIFT_MS: String(index ? -HOUR_MS : HOUR_MS), NODE_OPTIONS: shifted });
  const ground = await openGround({ databaseUrl: await newDatabase(cluster), variables });
  try {
    const { load, nodes } = ground;
    const end = load.begin();
    await pause(FOR_MS);
    await end();
    const outlived = await activeAfterExpiry(ground);
    const alarms = nodes.map((node) => node.logged('clock_differs').length);
    return await concluded(load, {
      did: `one node an hour ahead, one an hour behind, for ${FOR_MS / 1_000} s`,
      figures: `${outlived} of 40 expired tokens active; clock_differs logged ${alarms.join(' and ')} times`,
      broken: brokenOf({
        'no request fails or is refused': load.count.failed.length + load.count.refused === 0,
        'no token outlives what the database says': outlived === 0,
        'each node says once that its clock differs': alarms.every((times) => times === 1),
      }),
    });
  } finally {
    await ground.close();
  }
}

/** Tokens that expire by the database's clock, asked about on both nodes. @returns how many answers say that one is active. */
async function activeAfterExpiry({ site, house, nodes }: Ground): Promise<number> {
  const client = await site.createClient();
  let active = 0;
  for (let n = 0; n < 20; n++) {
    const { access_token } = await clientCredentials(site, client);
    await house.sql('update token set expires_at = now() where id = sha256($1::bytea)', [Buffer.from(access_token)]);
    for (const node of nodes) if ((await introspect(node, client, access_token))['active']) active += 1;
  }
  return active;
}

const COOKIES = 1_000;

/** Cookies that no server of ours has set, and those of a key that was replaced. */
async function foreignCookies({ cluster, say }: Trial): Promise<Outcome> {
  const ground = await openGround({ databaseUrl: await newDatabase(cluster), load: { perSecond: 150 } });
  try {
    const { load, issuer, secrets } = ground;
    await load.run(200);
    const [fact] = load.facts.allowed;
    const cookies = fact?.visitor.cookies() ?? [];
    const statuses = new Map<number, number>();
    for (let n = 0; n < COOKIES; n++) {
      const cookie = cookies.map((one, nth) => spoilt(one, n, nth)).join('; ');
      const path = PATHS[n % PATHS.length] as string;
      const { status } = await load.send(() => fetch(issuer + path, { redirect: 'manual', headers: { cookie, accept: 'text/html' } }));
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (n % 100 === 0) say(`${n} of ${COOKIES} cookies`);
    }
    const fresh = randomBytes(32).toString('base64url');
    for (const index of [0, 1]) await ground.restart(index, { COOKIE_KEYS: [fresh, ...secrets.cookieKeys].join() });
    return await concluded(load, {
      did: `${COOKIES.toLocaleString('en')} requests with cookies that were corrupt, cut, of a foreign key or 4 kB long; then a new first key, with sessions of the old one`,
      figures: `answered ${[...statuses]
        .sort()
        .map(([status, times]) => `${status}: ${times}`)
        .join(', ')}`,
      broken: brokenOf({ 'no request fails': !load.count.failed.length }),
    });
  } finally {
    await ground.close();
  }
}

const PATHS = ['/account', '/oauth/authorize', '/interaction/nobody', '/developer', '/oauth/logout'];

/** In turn: a changed character, half of it, a signature by nobody, and 4 kB in the first one. */
function spoilt(cookie: string, n: number, nth: number): string {
  const [name, value] = [cookie.slice(0, cookie.indexOf('=')), cookie.slice(cookie.indexOf('=') + 1)];
  const at = n % Math.max(1, value.length);
  const ways = [
    () => value.slice(0, at) + (value[at] === 'A' ? 'B' : 'A') + value.slice(at + 1),
    () => value.slice(0, at),
    () => (name.endsWith('.sig') ? randomBytes(32).toString('base64url') : value),
    () => (nth ? value : 'A'.repeat(4_000)),
  ];
  return `${name}=${(ways[n % ways.length] as () => string)()}`;
}

const SOCKETS = 10_000;

/** Half of the slow connections say nothing, half send a header byte by byte, all to one node. */
async function slowSockets({ cluster, say }: Trial): Promise<Outcome> {
  const ground = await openGround({ databaseUrl: await newDatabase(cluster), load: { perSecond: 40 } });
  const { load, nodes } = ground;
  const child = fork(join(import.meta.dirname, '../slow-sockets.mjs'), [String(portOf(nodes[0] as Ground['nodes'][0])), String(SOCKETS)]);
  const told = { open: 0, closed: 0 };
  child.on('message', (message) => Object.assign(told, message));
  try {
    const begun = performance.now();
    let most = 0;
    while (told.open < SOCKETS && performance.now() - begun < FOR_MS) {
      say(`${told.open} connections are open`);
      await pause(200);
    }
    const end = load.begin();
    const until = performance.now() + FOR_MS;
    while (performance.now() < until) {
      most = Math.max(most, told.open);
      await pause(200);
    }
    await end();
    const p99 = percentile(load.count.latencies, 0.99);
    return await concluded(load, {
      did: `up to ${most.toLocaleString('en')} slow or silent connections to one of two nodes for ${FOR_MS / 1_000} s; it closed ${told.closed.toLocaleString('en')} of them`,
      figures: `p99 of the others ${(p99 / 1_000).toFixed(2)} s`,
      broken: brokenOf({
        'no request fails or is refused': load.count.failed.length + load.count.refused === 0,
        'p99 of the others below 1 s': p99 < 1_000,
        'as many connections were open at once': most >= SOCKETS * 0.95,
      }),
    });
  } finally {
    child.kill();
    await once(child, 'close');
    await ground.close();
  }
}

export const nodeFaults: Fault[] = [
  {
    id: 'F12',
    title: 'the clocks of nodes differ by hours',
    passes: 'no token outlives what the database says, each node says so',
    play: clocksDiffer,
  },
  { id: 'F15', title: 'cookies that are corrupt or under an old key', passes: 'no 5xx, old key honoured', play: foreignCookies },
  { id: 'F20', title: '10,000 slow sockets', passes: 'p99 of the others below 1 s', play: slowSockets },
];
