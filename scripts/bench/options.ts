import { parseArgs } from 'node:util';
import { OPERATIONS } from './operations.ts';

/** What `npm run bench` can be asked. */

const HELP = `Usage: npm run bench -- [options]

  Starts a PostgreSQL of its own and a server of each kind, and measures them in turn, slice by slice, so that what disturbs
  this machine disturbs all alike. Prints requests a second, latency, CPU of server and database, statements, and the ratio to the
  library in memory. About six minutes.

  kinds: memory (the library, in memory), ours, prisma (the library behind a plain Prisma adapter)

  --only A,B         operations: ${Object.keys(OPERATIONS).join(', ')}
  --kinds A,B        kinds to run (memory,ours,prisma)
  --rounds N         how many slices of each kind an operation has (8)
  --seconds S        how long a slice lasts (1)
  --connections N    requests under way at once (16)
  --json FILE        writes the figures there too; .data/bench/throughput.json has those of the last run
  --check            ends with status 1 when a target is missed
  --help             shows this
`;

const KINDS = ['memory', 'ours', 'prisma'] as const;
export type Kind = (typeof KINDS)[number];

export type Options = {
  operations: string[];
  kinds: Kind[];
  rounds: number;
  seconds: number;
  connections: number;
  json: string | undefined;
  check: boolean;
};

/** @returns undefined when help was asked for, and given. @throws a sentence about an option that makes no sense. */
export function readOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean' },
      only: { type: 'string', default: Object.keys(OPERATIONS).join(',') },
      kinds: { type: 'string', default: KINDS.join(',') },
      rounds: { type: 'string', default: '8' },
      seconds: { type: 'string', default: '1' },
      connections: { type: 'string', default: '16' },
      json: { type: 'string' },
      check: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return undefined;
  }
  return {
    operations: someOf(values.only, Object.keys(OPERATIONS), '--only'),
    kinds: someOf(values.kinds, [...KINDS], '--kinds') as Kind[],
    rounds: positive(values.rounds, '--rounds'),
    seconds: positive(values.seconds, '--seconds'),
    connections: positive(values.connections, '--connections'),
    json: values.json,
    check: values.check,
  };
}

function someOf(list: string, known: string[], option: string): string[] {
  const names = list.split(',').filter(Boolean);
  const strange = names.filter((name) => !known.includes(name));
  if (strange.length || !names.length) throw new Error(`${option} knows ${known.join(', ')}; not ${strange.join(', ') || 'an empty list'}`);
  return names;
}

function positive(text: string, option: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new Error(`${option} wants a number above 0, not ${text}`);
  return number;
}
