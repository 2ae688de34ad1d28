import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Owns what is asked of the machine: which process runs on which core, and what it has spent there. */

export type Layout = { server: string; database: string; generator: string };

// Not availableParallelism(), which is less once this process is pinned.
const cores = cpus().length;

/** A core for the server alone; with more than two, one for the generator too. What cannot have cores of its own shares all of them. */
export function layOut(workers: number): Layout {
  const range = (from: number, to: number) => (from === to ? String(from) : `${from}-${to}`);
  if (workers === 1 && cores === 2) return { server: '0', database: '1', generator: '1' };
  if (cores < workers + 2) return { server: range(0, cores - 1), database: range(0, cores - 1), generator: range(0, cores - 1) };
  return { server: range(0, workers - 1), generator: String(workers), database: range(workers + 1, cores - 1) };
}

export function describeMachine(): { cores: number; model: string; node: string } {
  return { cores, model: cpus()[0]?.model.trim() ?? 'unknown', node: process.version };
}

/** Pins a process with all its threads and later child processes. @returns whether this machine can do that. */
export function pin(pid: number, cores: string): boolean {
  try {
    execFileSync('taskset', ['-a', '-cp', cores, String(pid)], { stdio: 'ignore' });
    return true;
  } catch {
    // Without it the figures are noisier, and their ratio still says something.
    return false;
  }
}

/** Processor time by process, in seconds. */
export type CpuTimes = Map<number, number>;

/**
 * Processor time of a process and of each below it, to the nanosecond (schedstat counts those; proc(5) stat only hundredths of a second).
 * Nothing where there is no /proc.
 */
export function cpuTimes(pid: number): CpuTimes {
  try {
    return new Map(family(pid).map((member) => [member, ownCpuSeconds(member)]));
  } catch {
    return new Map();
  }
}

/** Seconds that were spent in between by those who are still there: what ended meanwhile has taken its account along. */
export function spentBetween(before: CpuTimes, after: CpuTimes): number {
  if (!after.size) return Number.NaN;
  return [...after].reduce((sum, [pid, seconds]) => sum + Math.max(0, seconds - (before.get(pid) ?? 0)), 0);
}

const TICKS_A_SECOND = 100;

/** Processor time that all cores together have spent, in seconds, what the hypervisor took from them included (proc(5), stat). */
export function machineCpuSeconds(): number {
  try {
    const [user, nice, system, , , irq, softirq, steal] =
      readFileSync('/proc/stat', 'latin1').split('\n')[0]?.split(/ +/).slice(1).map(Number) ?? [];
    return [user, nice, system, irq, softirq, steal].reduce<number>((sum, ticks) => sum + (ticks ?? 0), 0) / TICKS_A_SECOND;
  } catch {
    return Number.NaN;
  }
}

function ownCpuSeconds(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .map((task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ')[0]) / 1e9)
      .reduce((sum, seconds) => sum + seconds, 0);
  } catch {
    // It ended meanwhile.
    return 0;
  }
}

/** The process and all below it. */
function family(pid: number): number[] {
  const parents = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(Number(name));
    if (parent !== undefined) parents.set(parent, [...(parents.get(parent) ?? []), Number(name)]);
  }
  const members = [pid];
  for (const member of members) members.push(...(parents.get(member) ?? []));
  return members;
}

function parentOf(pid: number): number | undefined {
  try {
    // The name in brackets may have anything in it; the parent is the second field after it.
    return Number(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ')[1]);
  } catch {
    return undefined;
  }
}
