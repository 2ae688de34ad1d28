import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type pg from 'pg';
import { atRate, type Send } from './prune-load.ts';
import { deadShare, insertCodes, sizes } from './prune-rows.ts';

/** A day in minutes: everything lives for half a minute, is issued, refreshed, revoked, asked for, expires and is pruned. */

type World = {
  client: pg.Client;
  accountId: string;
  send: Send;
  child: ChildProcess;
  credentials: { CLIENT: string; API: string };
};

const LIFE_SECONDS = 30;
const LOOK_EVERY_MS = 15_000;
const PRUNE_EVERY_MS = 5_000;
// Fewer codes in hand than this, and more are made.
const LOW = 25;
const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';
const TABLES = ['token', 'authorization_code', 'grant_record'];

type Look = { second: number; bytes: number; residentBytes: number };

/** @param rate requests a second. @returns when the time is over; sets the exit code when something grew or failed. */
export async function soak(world: World, minutes: number, rate: number, say: (sentence: string) => void): Promise<void> {
  const { client, child } = world;
  await shortenLives(client);
  const looks: Look[] = [];
  const flow = createFlow(world);
  let pruned = 0;
  child.on('message', (told: { rows?: number; failed?: string }) => {
    pruned += told.rows ?? 0;
    if (told.failed) flow.failures.push(told.failed);
  });
  const begun = performance.now();
  const pruning = setInterval(() => child.send({ prune: true }), PRUNE_EVERY_MS);
  console.log(
    `\n${'second'.padStart(7)}${'requests'.padStart(10)}${'pruned'.padStart(10)}${'RSS MB'.padStart(9)}${'dead'.padStart(8)}  tables and indexes, MB`,
  );
  const looking = setInterval(async () => looks.push(await look(world, begun, pruned, flow.count.requests)), LOOK_EVERY_MS);
  await atRate(rate, minutes * 60, flow.step);
  clearInterval(looking);
  clearInterval(pruning);
  say('');
  judge(looks, flow.failures, flow.count.late);
}

/** Half a minute, by a trigger: an update afterwards would leave dead rows that life does not. */
async function shortenLives(client: pg.Client): Promise<void> {
  await client.query('truncate grant_record, authorization_code, token, session, protocol_record cascade');
  await client.query(
    `create or replace function shorten_life() returns trigger language plpgsql as $$ begin
       new.expires_at := least(new.expires_at, now() + interval '${LIFE_SECONDS} seconds'); return new; end $$`,
  );
  for (const table of TABLES)
    await client.query(`create or replace trigger shorten_life before insert on ${table} for each row execute function shorten_life()`);
}

type Code = { value: string; born: number };

/**
 * One step for each request: redeem a code, introspect its tokens, refresh them, and revoke one in four. The oldest come first.
 * On a busy machine a token may outlive its grant before its turn. The refusal is then right, and counts as late, not as failed.
 */
function createFlow({ client, accountId, send, credentials: { CLIENT, API } }: World) {
  const failures: string[] = [];
  const count = { requests: 0, late: 0 };
  let minting: Promise<unknown> = Promise.resolve();
  const codes: Code[] = [];
  const next: (() => Promise<void>)[] = [];
  const ask = async (path: string, form: Record<string, string>, who: string, born: number) => {
    count.requests += 1;
    const { status, body } = await send(path, form, who);
    const ended = status === 400 || body['active'] === (false as unknown);
    if (ended && performance.now() - born > LIFE_SECONDS * 1000) count.late += 1;
    else if (status !== 200 || ended) failures.push(`${path} ${status} ${JSON.stringify(body)}`);
    return body;
  };
  const introspect = (token: string, born: number) => async () => void (await ask('/oauth/introspect', { token }, API, born));
  const refresh = (token: string, born: number) => async () => {
    const form = { grant_type: 'refresh_token', refresh_token: token };
    const { access_token, refresh_token } = await ask('/oauth/token', form, CLIENT, born);
    if (!access_token || !refresh_token) return;
    next.push(async () => {
      await introspect(access_token, born)();
      if (Math.random() < 0.25) next.push(async () => void (await ask('/oauth/revoke', { token: refresh_token }, CLIENT, born)));
    });
  };
  const redeem = async () => {
    const code = codes.shift();
    if (!code) return;
    const form = {
      grant_type: 'authorization_code',
      code: code.value,
      code_verifier: VERIFIER,
      redirect_uri: 'https://client.example/cb',
    };
    const { access_token, refresh_token } = await ask('/oauth/token', form, CLIENT, code.born);
    if (!access_token || !refresh_token) return;
    // One after the other: a revocation must not overtake the question about what it ends.
    next.push(async () => {
      await introspect(access_token, code.born)();
      next.push(refresh(refresh_token, code.born));
    });
  };
  const mint = async () => {
    const fresh = Array.from({ length: 50 }, () => ({ value: randomBytes(32).toString('base64url'), born: performance.now() }));
    await insertCodes(
      client,
      accountId,
      fresh.map(({ value }) => value),
      CHALLENGE,
    );
    codes.push(...fresh);
  };
  return {
    failures,
    count,
    async step() {
      if (codes.length < LOW) minting = minting.then(() => (codes.length < LOW ? mint() : undefined));
      await minting;
      await (next.shift() ?? redeem)();
    },
  };
}

async function look({ client, child }: World, begun: number, pruned: number, requests: number): Promise<Look> {
  const second = Math.round((performance.now() - begun) / 1000);
  const all = await sizes(client);
  const of = (names: (name: string) => boolean) => all.filter(({ name }) => names(name)).reduce((sum, { bytes }) => sum + bytes, 0);
  const residentBytes = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) * 1024;
  const megabytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  const each = TABLES.map(
    (table) => `${table} ${megabytes(of((name) => name === table))}+${megabytes(of((name) => name.startsWith(`${table}_`)))}`,
  );
  const dead = await deadShare(client, 'token');
  console.log(
    `${String(second).padStart(7)}${String(requests).padStart(10)}${String(pruned).padStart(10)}${megabytes(residentBytes).padStart(9)}${`${(dead * 100).toFixed(0)} %`.padStart(8)}  ${each.join('  ')}`,
  );
  return { second, bytes: of(() => true), residentBytes };
}

/** Flat: the last third is no more than a tenth above the middle third, in which everything has warmed up. */
function judge(looks: Look[], failures: string[], late: number): void {
  const third = Math.floor(looks.length / 3);
  const mean = (part: Look[], of: (one: Look) => number) => part.reduce((sum, one) => sum + of(one), 0) / part.length;
  const growth = (of: (one: Look) => number) => mean(looks.slice(-third), of) / mean(looks.slice(third, 2 * third), of) - 1;
  const [storage, memory] = [growth(({ bytes }) => bytes), growth(({ residentBytes }) => residentBytes)];
  const flat = (share: number) => `${(share * 100).toFixed(1)} % (${share < 0.1 ? 'flat' : 'GROWING'})`;
  console.log(
    `\nfrom the middle third to the last: tables and indexes ${flat(storage)}, memory of the server ${flat(memory)}; ${failures.length} failed requests, ${late} late`,
  );
  for (const failure of new Set(failures.slice(0, 5))) console.log(`  ${failure}`);
  if (storage >= 0.1 || memory >= 0.1 || failures.length) process.exitCode = 1;
}
