import type { Load, Slice } from './load.ts';
import { cpuSeconds } from './machine.ts';
import { checkAnswers, operationNamed } from './operations.ts';
import type { BenchServer } from './servers.ts';
import type { Supplies } from './supplies.ts';

/**
 * Owns the measuring: short slices of load, of one kind after another and in reverse the next time, so that whatever else
 * this machine does meets all alike, and a ratio is of slices that were neighbours.
 */

export type Contestant = { server: BenchServer; load: Load; supplies: Supplies };

/** What one slice of one kind came to. CPU in microseconds a request; utilisation is the server's share of a core. */
export type Figures = {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  serverMicros: number;
  databaseMicros: number;
  generatorMicros: number;
  utilisation: number;
};

export type Plan = { rounds: number; seconds: number; databasePid: number; progress(what: string): void };

// Until the compiler has seen what is hot, the figures are those of another program.
const WARM_UP_SECONDS = 4;
// A first guess, for supplies; what the warm-up shows takes its place.
const PER_SECOND = 1_000;
const TO_SPARE = 1.3;

/** @returns each kind's slices, one a round. */
export async function measure(name: string, contestants: Contestant[], plan: Plan): Promise<Record<string, Figures[]>> {
  const rates = new Map<Contestant, number>();
  for (const contestant of contestants) {
    plan.progress(`${name}: ${contestant.server.kind} warms up`);
    rates.set(contestant, await warmUp(name, contestant));
  }
  const figures: Record<string, Figures[]> = Object.fromEntries(contestants.map(({ server }) => [server.kind, []]));
  for (let round = 0; round < plan.rounds; round++) {
    for (const contestant of round % 2 ? contestants.toReversed() : contestants) {
      plan.progress(`${name}: round ${round + 1} of ${plan.rounds}, ${contestant.server.kind}`);
      figures[contestant.server.kind]?.push(await measureSlice(name, contestant, rates.get(contestant) ?? PER_SECOND, plan));
    }
  }
  return figures;
}

/** @returns requests a second, towards its end. */
async function warmUp(name: string, contestant: Contestant): Promise<number> {
  let rate = PER_SECOND;
  for (let warmed = 0; warmed < WARM_UP_SECONDS; ) {
    const slice = await runSlice(name, contestant, rate, Math.min(1, WARM_UP_SECONDS - warmed));
    warmed += slice.seconds;
    rate = slice.requests / slice.seconds;
  }
  return rate;
}

async function measureSlice(name: string, contestant: Contestant, rate: number, { seconds, databasePid }: Plan): Promise<Figures> {
  const spentBy = () => ({
    server: cpuSeconds(contestant.server.pid),
    database: cpuSeconds(databasePid),
    // This process alone: the servers are its children.
    generator: (process.cpuUsage().user + process.cpuUsage().system) / 1e6,
  });
  let [before, after] = [spentBy(), spentBy()];
  const slice = await runSlice(name, contestant, rate, seconds, {
    begins: () => {
      before = spentBy();
    },
    ends: () => {
      after = spentBy();
    },
  });
  const micros = (who: keyof typeof after) => ((after[who] - before[who]) * 1e6) / slice.requests;
  const at = (share: number) => slice.latenciesMs[Math.floor(slice.requests * share)] ?? Number.NaN;
  return {
    perSecond: slice.requests / slice.seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    serverMicros: micros('server'),
    databaseMicros: micros('database'),
    generatorMicros: micros('generator'),
    utilisation: (after.server - before.server) / slice.seconds,
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
  const { brings } = operationNamed(name);
  begins();
  const slice = await load.run(requests, { seconds, keepBodies: brings });
  ends();
  checkAnswers(name, brings ? slice.bodies.slice(0, CHECKED) : slice.bodies);
  if (brings) supplies.put(slice.bodies);
  return slice;
}

const CHECKED = 50;
