import type { Load, Slice } from './load.ts';
import { cpuTimes, machineCpuSeconds, spentBetween } from './machine.ts';
import { checkAnswers, operationNamed } from './operations.ts';
import type { BenchServer } from './servers.ts';
import type { Supplies } from './supplies.ts';

/**
 * Owns the measuring: short slices of load, one kind after another, and in reverse order the next time. Other work on this
 * machine then slows all kinds alike, and a ratio compares neighbouring slices.
 */

/** A server with what loads it. `label` is its kind, and how many workers it has if that is what is compared. */
export type Contestant = { label: string; server: BenchServer; load: Load; supplies: Supplies };

/**
 * What one slice of one kind came to. CPU in microseconds a request; `utilisation` is how much of a core the server used,
 * `others` how much everybody else on this machine did.
 */
export type Figures = {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  serverMicros: number;
  databaseMicros: number;
  generatorMicros: number;
  utilisation: number;
  others: number;
};

export type Plan = { rounds: number; seconds: number; databasePid: number; progress(what: string): void };

// Until the compiler has seen what is hot, the figures are those of another program.
const WARM_UP_CPU_SECONDS = 3.5;
const WARM_UP_AT_MOST_SECONDS = 10;
// A first guess, for supplies; what the warm-up shows takes its place.
const PER_SECOND = 1_000;
const TO_SPARE = 1.3;

/** @returns each kind's slices, one a round. */
export async function measure(name: string, contestants: Contestant[], plan: Plan): Promise<Record<string, Figures[]>> {
  const rates = new Map<Contestant, number>();
  for (const contestant of contestants) {
    plan.progress(`${name}: ${contestant.label} warms up`);
    rates.set(contestant, await warmUp(name, contestant));
  }
  const figures: Record<string, Figures[]> = Object.fromEntries(contestants.map(({ label }) => [label, []]));
  for (let round = 0; round < plan.rounds; round++) {
    for (const contestant of round % 2 ? contestants.toReversed() : contestants) {
      plan.progress(`${name}: round ${round + 1} of ${plan.rounds}, ${contestant.label}`);
      figures[contestant.label]?.push(await measureSlice(name, contestant, rates.get(contestant) ?? PER_SECOND, plan));
    }
  }
  return figures;
}

/** By what the server has spent, and not by the clock: on a busy machine it gets less. @returns requests a second, towards its end. */
async function warmUp(name: string, contestant: Contestant): Promise<number> {
  const before = cpuTimes(contestant.server.pid);
  let rate = PER_SECOND;
  for (let elapsed = 0; elapsed < WARM_UP_AT_MOST_SECONDS; elapsed++) {
    rate = (await runFor(name, contestant, 1)).perSecond;
    if (spentBetween(before, cpuTimes(contestant.server.pid)) >= WARM_UP_CPU_SECONDS) break;
  }
  return rate;
}

/** Loads an operation for so many seconds, a second at a time, so that supplies follow the rate. */
export async function runFor(name: string, contestant: Contestant, seconds: number): Promise<{ requests: number; perSecond: number }> {
  let [requests, perSecond] = [0, PER_SECOND];
  for (let left = seconds; left > 0.05; ) {
    const slice = await runSlice(name, contestant, perSecond, Math.min(1, left));
    left -= slice.seconds;
    requests += slice.requests;
    perSecond = slice.requests / slice.seconds;
  }
  return { requests, perSecond };
}

async function measureSlice(name: string, contestant: Contestant, rate: number, { seconds, databasePid }: Plan): Promise<Figures> {
  const accounts = () => ({
    server: cpuTimes(contestant.server.pid),
    database: cpuTimes(databasePid),
    // This process alone: the servers are its children.
    generator: (process.cpuUsage().user + process.cpuUsage().system) / 1e6,
    machine: machineCpuSeconds(),
  });
  let [before, after] = [accounts(), accounts()];
  const slice = await runSlice(name, contestant, rate, seconds, {
    begins: () => {
      before = accounts();
    },
    ends: () => {
      after = accounts();
    },
  });
  const server = spentBetween(before.server, after.server);
  const database = spentBetween(before.database, after.database);
  const generator = after.generator - before.generator;
  const micros = (spent: number) => (spent * 1e6) / slice.requests;
  const at = (share: number) => slice.latenciesMs[Math.floor(slice.requests * share)] ?? Number.NaN;
  return {
    perSecond: slice.requests / slice.seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    serverMicros: micros(server),
    databaseMicros: micros(database),
    generatorMicros: micros(generator),
    utilisation: server / slice.seconds,
    others: Math.max(0, after.machine - before.machine - server - database - generator) / slice.seconds,
  };
}

/** What is made ready, checked and kept is outside of what `begins` and `ends` enclose. */
async function runSlice(
  name: string,
  { load, supplies }: Contestant,
  rate: number,
  seconds: number,
  { begins, ends } = { begins: () => {}, ends: () => {} },
): Promise<Slice> {
  const requests = await supplies.requests(name, Math.ceil(rate * seconds * TO_SPARE));
  const { brings, uses } = operationNamed(name);
  begins();
  const slice = await load.run(requests, { seconds, keepBodies: brings, again: uses === 'user token' });
  ends();
  checkAnswers(name, brings ? slice.bodies.slice(0, CHECKED) : slice.bodies);
  if (brings) supplies.put(slice.bodies);
  return slice;
}

const CHECKED = 50;
