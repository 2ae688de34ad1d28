import { setTimeout as pause } from 'node:timers/promises';
import type { TestSite } from '../../test/support/environment.ts';
import { authorizePath, type Credentials, pkce, post, refresh } from '../../test/support/flow.ts';
import { setUses } from '../../test/support/second-use.ts';
import { type Asking, countFacts, type Facts, findLost, noFacts } from './facts.ts';
import { openLane, RETRY_MS } from './journey.ts';
import { Visitor } from './visitor.ts';

/** Owns the load of honest clients: code flow, refresh, client credentials, introspection and revocation, paced, counted, with a book of facts. */

export type Count = {
  sent: number;
  /** Answered with 503 and Retry-After: the server said that it cannot, and did nothing. */
  refused: number;
  /** Those of them that no node answered: the balancer knew none. */
  refusedByBalancer: number;
  /** Lost connections, other errors, and wrong answers, each with what it was. */
  failed: string[];
  /** Told 503 although it was done: a repeated code is then used already. Nobody can tell when the database is lost in the middle. */
  undecided: number;
  /** Milliseconds that each answer took. */
  latencies: number[];
  /** When the last request ended that was refused or failed, by performance.now(). */
  lastBadAt: number;
};

export type Load = {
  count: Count;
  /** Which balancer stands before the nodes. */
  balancer: string;
  facts: Facts;
  /** Runs the lanes until the returned function is called, which waits for the journeys under way. */
  begin(): () => Promise<void>;
  /** Runs the lanes until so many requests were sent. */
  run(requests: number): Promise<void>;
  /** Reads all facts again, and begins a new book. @returns how many there were, and which are lost. */
  check(): Promise<{ facts: number; lost: string[] }>;
  /** The questions of such a check. */
  asking: Asking;
  /** One paced and counted request. A lost connection is a response with status 0. */
  send(request: () => Promise<Response>): Promise<Response>;
  newVisitor(): Visitor;
  /** Ends journeys that a failed trial left behind. */
  abandon(): void;
};

export type LoadOptions = { perSecond: number; lanes: number };

export const LOAD: LoadOptions = { perSecond: 60, lanes: 6 };

// A request that is not answered for so long counts as lost.
const PATIENCE_MS = 20_000;

type Parts = { balancer: string; site: TestSite; people: Credentials[]; options: LoadOptions };

/** @param site where requests go. @param people each lane signs in one of them, in turn. */
export async function prepareLoad({ balancer, site: given, people, options }: Parts): Promise<Load> {
  const count: Count = { sent: 0, refused: 0, refusedByBalancer: 0, failed: [], undecided: 0, latencies: [], lastBadAt: 0 };
  const waitTurn = createPace(options.perSecond);
  const book = { facts: noFacts() };

  async function send(request: () => Promise<Response>): Promise<Response> {
    await waitTurn();
    const begun = performance.now();
    count.sent += 1;
    let bad: string | undefined;
    const answer = await request().catch((error) => {
      bad = `connection: ${error.cause?.code ?? error.code ?? error.message}`;
      return LOST();
    });
    if (answer.status === 503 && answer.headers.has('retry-after')) count.refused += 1;
    else if (answer.status >= 500) bad = `status ${answer.status}: ${(await answer.clone().text()).replace(/\s+/g, ' ').slice(0, 80)}`;
    // Every answer of a node has one.
    if (answer.status === 503 && !answer.headers.has('x-request-id')) count.refusedByBalancer += 1;
    if (bad) count.failed.push(bad);
    const ended = performance.now();
    count.latencies.push(ended - begun);
    if (bad || answer.status === 503) count.lastBadAt = ended;
    return answer;
  }

  const site: TestSite = {
    ...given,
    send: (input, init) => send(() => given.send(input, { ...init, signal: AbortSignal.timeout(PATIENCE_MS) })),
  };
  const wrong = (what: string) => {
    count.failed.push(what);
    count.lastBadAt = performance.now();
  };
  const newVisitor = () => new Visitor(site.issuer, send);
  const lanes = await Promise.all(
    Array.from({ length: options.lanes }, (_, n) =>
      openLane({ site, visitor: newVisitor(), person: people[n % people.length] as Credentials, count, book, wrong }),
    ),
  );
  // Preparing is no part of what is measured.
  Object.assign(count, { sent: 0, refused: 0, refusedByBalancer: 0, failed: [], undecided: 0, latencies: [], lastBadAt: 0 });

  let abandoned = false;
  const begin = () => {
    let over = false;
    const running = Promise.all(
      lanes.map(async (journey) => {
        while (!over && !abandoned) await journey(() => over || abandoned);
      }),
    );
    return async () => {
      over = true;
      await running;
    };
  };
  const asking = askingOf(given);
  return {
    count,
    balancer,
    asking,
    get facts() {
      return book.facts;
    },
    send,
    newVisitor,
    begin,
    abandon() {
      abandoned = true;
    },
    async run(requests) {
      const until = count.sent + requests;
      const end = begin();
      while (count.sent < until) await pause(50);
      await end();
    },
    async check() {
      const facts = book.facts;
      book.facts = noFacts();
      // As if an hour had passed: within the grace period a second use of a refresh token has the answer of the first.
      await setUses(given, 3_600);
      return { facts: countFacts(facts), lost: await findLost(facts, asking) };
    },
  };
}

const LOST = () => new Response(null, { status: 599 });

/** @returns a promise that is resolved so many times a second at most. */
function createPace(perSecond: number): () => Promise<void> {
  let next = 0;
  return async () => {
    next = Math.max(performance.now(), next + 1_000 / perSecond);
    await pause(Math.max(0, next - performance.now()));
  };
}

/** Questions past the count, without a limit on their rate. */
function askingOf(site: TestSite): Asking {
  const patiently = async (request: () => Promise<Response>): Promise<Response> => {
    const until = performance.now() + PATIENCE_MS;
    for (;;) {
      const answer = await request().catch(LOST);
      if (answer.status < 500 || performance.now() > until) return answer;
      await pause(RETRY_MS);
    }
  };
  return {
    async isActive(token, client) {
      const answer = await patiently(() => post(site, '/oauth/introspect', client, { token }));
      return answer.status === 200 && ((await answer.json()) as { active: boolean }).active;
    },
    refreshes: async (token, client) => (await patiently(() => refresh(site, client, token))).status === 200,
    async isAllowed(visitor, client) {
      const { code_verifier: _, ...challenge } = pkce();
      const twin = visitor.twin();
      const answer = await patiently(() => twin.request(authorizePath(client, { ...challenge, prompt: 'none' })));
      return new URL(answer.headers.get('location') ?? 'none:').searchParams.has('code');
    },
  };
}

export const percentile = (ms: number[], share: number): number => ms.toSorted((a, b) => a - b)[Math.floor((ms.length - 1) * share)] ?? 0;
