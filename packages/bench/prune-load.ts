import { Pool } from 'undici';

/** Sends requests at a fixed rate, and does not wait for a server that falls behind: real users do not wait either. */

export type Answer = { status: number; body: Record<string, string> };
export type Send = (path: string, form: Record<string, string>, authorization: string) => Promise<Answer>;

const TICK_MS = 2;

export function openLoad(address: string, host: string): { send: Send; close(): Promise<void> } {
  // More connections than can be needed at once: none waits for another here.
  const pool = new Pool(address, { connections: 128, pipelining: 1 });
  return {
    async send(path, form, authorization) {
      const { statusCode, body } = await pool.request({
        path,
        method: 'POST',
        headers: { host, 'content-type': 'application/x-www-form-urlencoded', authorization },
        body: new URLSearchParams(form).toString(),
      });
      const text = await body.text();
      return { status: statusCode, body: text ? JSON.parse(text) : {} };
    },
    close: () => pool.close(),
  };
}

/** @returns how long each request took, in milliseconds, in order. @throws what a request throws. */
export async function atRate(perSecond: number, seconds: number, request: () => Promise<void>): Promise<number[]> {
  const latencies: number[] = [];
  const underWay = new Set<Promise<void>>();
  let failure: unknown;
  const begun = performance.now();
  for (let sent = 0; sent < perSecond * seconds && !failure; ) {
    for (const due = ((performance.now() - begun) / 1000) * perSecond; sent < due; sent++) {
      const at = performance.now();
      const one = request()
        .then(() => void latencies.push(performance.now() - at))
        .catch((error) => {
          failure ??= error;
        })
        .finally(() => underWay.delete(one));
      underWay.add(one);
    }
    await new Promise((next) => setTimeout(next, TICK_MS));
  }
  await Promise.all(underWay);
  if (failure) throw failure;
  return latencies.sort((a, b) => a - b);
}

export const at = (sorted: number[], share: number) => sorted[Math.floor(sorted.length * share)] ?? 0;

export function median(numbers: number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (at(sorted, 0.5) + (sorted[Math.ceil(sorted.length / 2) - 1] ?? 0)) / 2;
}
