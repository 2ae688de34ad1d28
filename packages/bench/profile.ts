import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Contestant, runFor } from './measure.ts';

/** Owns the answer to "where does the time go": self time of functions and packages while a server is under load. */

type Profile = {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  samples: number[];
  timeDeltas: number[];
};

const TOP = 30;

/** Loads one operation, warm, and reads what V8 sampled meanwhile. @returns lines to print, and where the profile is. */
export async function profileOperation(name: string, contestant: Contestant, seconds: number, dataDir: string): Promise<string> {
  await runFor(name, contestant, seconds);
  const file = join(dataDir, `${name}.cpuprofile`);
  await contestant.server.order({ order: 'profile' });
  const { requests } = await runFor(name, contestant, seconds);
  await contestant.server.order({ order: 'profiled', file });
  return render(name, JSON.parse(readFileSync(file, 'utf8')) as Profile, requests, file);
}

function render(name: string, profile: Profile, requests: number, file: string): string {
  const self = selfTimes(profile);
  // Nor what it takes to begin and end the profile itself.
  const busy = [...self].filter(([{ functionName, url }]) => functionName !== '(idle)' && !url.startsWith('node:inspector'));
  const total = busy.reduce((sum, [, micros]) => sum + micros, 0);
  const line = (micros: number, what: string) =>
    `${(micros / requests).toFixed(1).padStart(8)} µs ${((100 * micros) / total).toFixed(1).padStart(5)} %  ${what}`;
  const rank = (entries: [string, number][]) => {
    const sums = new Map<string, number>();
    for (const [key, micros] of entries) sums.set(key, (sums.get(key) ?? 0) + micros);
    return [...sums].sort(([, a], [, b]) => b - a).slice(0, TOP);
  };
  return [
    `${name}: ${requests} requests, ${(total / requests).toFixed(0)} µs each under the profiler, self time by package`,
    ...rank(busy.map(([frame, micros]) => [packageOf(frame), micros])).map(([key, micros]) => line(micros, key)),
    'by function',
    ...rank(busy.map(([frame, micros]) => [placeOf(frame), micros])).map(([key, micros]) => line(micros, key)),
    `the whole profile, for a viewer: ${file}`,
  ].join('\n');
}

type Frame = Profile['nodes'][number]['callFrame'];

function selfTimes({ nodes, samples, timeDeltas }: Profile): Map<Frame, number> {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const times = new Map<Frame, number>();
  samples.forEach((id, n) => {
    const frame = frames.get(id);
    if (frame) times.set(frame, (times.get(frame) ?? 0) + (timeDeltas[n] ?? 0));
  });
  return times;
}

function packageOf({ functionName, url }: Frame): string {
  if (!url) return functionName.startsWith('(') ? functionName : 'native code';
  if (url.startsWith('node:')) return 'node';
  return /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? 'munjigi';
}

function placeOf(frame: Frame): string {
  const { functionName, url, lineNumber } = frame;
  const file = url.replace(/^.*\/(?=node_modules\/)/, '').replace(/^file:\/\/.*?\/(?=(src|scripts)\/)/, '');
  return `${functionName || '(anonymous)'}${file ? `  ${file}:${lineNumber + 1}` : ''}`;
}
