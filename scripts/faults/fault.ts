import type { Cluster } from './cluster.ts';
import type { Load } from './load.ts';

/** What one fault is, and what its trial came to: a row of the table in docs/operate/faults.md. */

export type Outcome = {
  /** What was done, with its measures, in a few words. */
  did: string;
  /** Undefined where the trial does not count it, like the two below. */
  sent?: number | undefined;
  /** Refused with 503 and Retry-After, which is right while the server cannot. */
  refused?: number;
  failed?: number;
  /** From the end of the fault to the last request that was refused or failed; undefined where nothing is to become good again. */
  goodAgainSeconds?: number | undefined;
  /** Acknowledged facts that were read again, and those that are not true. */
  facts: number;
  lost: number | undefined;
  /** Undefined where no balancer of the command is part of it. */
  balancer?: string;
  /** Figures of this fault alone, such as a latency. */
  figures?: string;
  /** Why it does not hold; empty when it holds. */
  broken: string[];
};

/** What cannot be measured on this machine, in one sentence. */
export class NotAtHand extends Error {}

export type Trial = {
  /** A PostgreSQL that all trials share, for those that do not hurt it. */
  cluster: Cluster;
  options: { full: boolean; rounds: number };
  /** Says what goes on. */
  say(sentence: string): void;
};

export type Fault = {
  id: string;
  title: string;
  /** What must be true for it to hold, as the checklist says. */
  passes: string;
  play(trial: Trial): Promise<Outcome>;
};

/** @param holds sentences about what must be true. @returns those that are not. */
export const brokenOf = (holds: Record<string, boolean>): string[] =>
  Object.entries(holds).flatMap(([sentence, holds]) => (holds ? [] : [sentence]));

/** Counts of the load, the check of its facts, and what every fault must keep: nothing is lost. */
export async function concluded(load: Load, outcome: Omit<Outcome, keyof ReturnType<typeof counted> | 'facts' | 'lost'>): Promise<Outcome> {
  const { facts, lost } = await load.check();
  const kinds = [...new Set([...lost, ...load.count.failed])].slice(0, 3);
  return {
    ...counted(load),
    facts,
    lost: lost.length,
    ...outcome,
    figures: [outcome.figures, load.count.undecided && `${load.count.undecided} codes used though the answer was 503`]
      .filter(Boolean)
      .join('; '),
    broken: [
      ...outcome.broken,
      ...(lost.length ? [`${lost.length} facts are lost`] : []),
      ...(outcome.broken.length || lost.length ? kinds : []),
    ],
  };
}

/** The columns that the load fills. */
export const counted = ({ balancer, count: { sent, refused, failed } }: Load) => ({ balancer, sent, refused, failed: failed.length });

/** Seconds from `since` to the last request that was refused or failed; 0 when none was after it. */
export const goodAgainAfter = ({ count }: Load, since: number) => Math.max(0, count.lastBadAt - since) / 1_000;
