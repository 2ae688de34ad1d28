/**
 * Owns the life of a signing key. It is published before it signs, so that caches have it in time. It signs until its successor does.
 * It stays published until everything that it signed has expired.
 * Does not read clocks, keys or the database: see signing-keys.ts.
 */

export type Moments = { kid: string; algorithm: string; activeAt: Date; retiredAt: Date | null };

/** In the order of a key's life. A `gone` key is no longer published. */
export type Phase = 'next' | 'signing' | 'retired' | 'gone';

export type Schedule<Key extends Moments> = {
  /** The phase of each key. */
  phases: Map<Key, Phase>;
  /** Keys to publish, signing keys first: the library signs with the first key that fits. */
  published: Key[];
  /** When the schedule next changes by itself; undefined for never. */
  changesAt: Date | undefined;
};

/**
 * @param now by the clock of the database, which all nodes share.
 * @param keptSeconds how long a retired key stays published: the longest lifetime of what it signed.
 */
export function scheduleOf<Key extends Moments>(keys: Key[], now: Date, keptSeconds: number): Schedule<Key> {
  const newestFirst = keys.toSorted((a, b) => b.activeAt.getTime() - a.activeAt.getTime() || (b.kid < a.kid ? -1 : 1));
  const signing = new Set(
    [...new Set(keys.map(({ algorithm }) => algorithm))].map((algorithm) =>
      signerOf(
        newestFirst.filter((key) => key.algorithm === algorithm),
        now,
      ),
    ),
  );
  const goneAt = ({ retiredAt }: Key) => retiredAt && new Date(retiredAt.getTime() + keptSeconds * 1000);
  const phaseOf = (key: Key): Phase => {
    if (signing.has(key)) return 'signing';
    if (key.activeAt > now && !isOver(key.retiredAt, now)) return 'next';
    return isOver(goneAt(key), now) ? 'gone' : 'retired';
  };
  const phases = new Map(newestFirst.map((key) => [key, phaseOf(key)]));
  const inPhase = (phase: Phase) => newestFirst.filter((key) => phases.get(key) === phase);
  const moments = keys.flatMap((key) => [key.activeAt, key.retiredAt, goneAt(key)]).filter((moment) => !isOver(moment, now));
  return {
    phases,
    published: [...inPhase('signing'), ...inPhase('next'), ...inPhase('retired')],
    changesAt: moments.reduce<Date | undefined>((first, moment) => (moment && (!first || moment < first) ? moment : first), undefined),
  };
}

/**
 * Every algorithm needs a signing key. If no key has started, the nearest one signs; if all have ended, the last one signs.
 * @param keys of one algorithm, newest first.
 */
function signerOf<Key extends Moments>(keys: Key[], now: Date): Key | undefined {
  const live = keys.filter(({ retiredAt }) => !isOver(retiredAt, now));
  return live.find(({ activeAt }) => activeAt <= now) ?? live.at(-1) ?? keys[0];
}

/** Whether a moment has passed. A null moment never passes. */
const isOver = (moment: Date | null, now: Date) => moment !== null && moment <= now;
