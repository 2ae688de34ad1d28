import { parseArgs } from 'node:util';
import { OPERATIONS } from './operations.ts';

/** What `npm run bench` can be asked. */

const ALL = Object.keys(OPERATIONS).join(',');
export const OWN_KINDS = ['memory', 'ours', 'prisma'];
export const PEERS = ['oauth2-server', 'better-auth'];

const HELP = `Usage: npm run bench -- [options]

  Starts a PostgreSQL of its own and a server of each kind, and measures them in turn, slice by slice, so that what else this
  machine does meets all alike. Prints requests a second, latency, CPU of server and database a request, statements a request,
  and the ratio to the library in memory with its target. About six minutes.

  Kinds: memory (the library, in memory), ours, prisma (the library behind a plain Prisma adapter); and the peers:
  oauth2-server (@node-oauth/oauth2-server on pg) and better-auth (its OAuth provider on pg).

  What is measured
    --only A,B         operations (${ALL})
    --kinds A,B        kinds (${OWN_KINDS.join(',')})
    --peers            the peers too
    --rows N           fills the tables of ours, prisma and oauth2-server with that many live tokens first, such as 5e6;
                       introspection of ours and oauth2-server then asks for 50,000 of them in turn
    --workers A,B      ours alone with so many processes, such as 1,2,4
    --rounds N         slices of each kind an operation has (8)
    --seconds S        how long a slice lasts (1)
    --connections N    requests under way at once (64: fewer leave a server waiting for a database that shares a core with the load)
    --profile          instead: where the time of the first kind goes, by package and function (--kinds ours if not said)

  What becomes of it
    --json FILE        writes the figures there too; .data/bench/throughput.json has those of the last run
    --from FILE        measures nothing, reads the figures
    --compare FILE     prints what changed since those figures, such as of a run without --rows
    --svg FILE         draws the chart
    --check            ends with status 1 unless every target is met
    --help             shows this
`;

export type Options = {
  operations: string[];
  kinds: string[];
  workers: number[];
  rows: number;
  rounds: number;
  seconds: number;
  connections: number;
  profile: boolean;
  json?: string;
  from?: string;
  compare?: string;
  svg?: string;
  check: boolean;
};

/** An option that makes no sense, in one sentence. */
export class OptionError extends Error {
  override name = 'OptionError';
}

/** @returns undefined when help was asked for, and given. @throws OptionError */
export function readOptions(): Options | undefined {
  const values = parse();
  if (values.help) {
    process.stdout.write(HELP);
    return undefined;
  }
  const { json, from, compare, svg, check, profile } = values;
  const workers = values.workers ? values.workers.split(',').map((text) => positive(text, '--workers')) : [];
  const usual = profile || workers.length ? ['ours'] : OWN_KINDS;
  const kinds = values.kinds ? someOf(values.kinds, [...OWN_KINDS, ...PEERS], '--kinds') : usual;
  return {
    operations: someOf(values.only, Object.keys(OPERATIONS), '--only'),
    kinds: values.peers ? [...new Set([...kinds, ...PEERS])] : kinds,
    workers,
    rows: values.rows ? positive(values.rows, '--rows') : 0,
    rounds: positive(values.rounds, '--rounds'),
    seconds: positive(values.seconds, '--seconds'),
    connections: positive(values.connections, '--connections'),
    ...{ profile, json, from, compare, svg, check },
  };
}

function parse() {
  try {
    return parseArgs({
      options: {
        help: { type: 'boolean' },
        only: { type: 'string', default: ALL },
        kinds: { type: 'string' },
        peers: { type: 'boolean', default: false },
        rows: { type: 'string' },
        workers: { type: 'string' },
        rounds: { type: 'string', default: '8' },
        seconds: { type: 'string', default: '1' },
        connections: { type: 'string', default: '64' },
        profile: { type: 'boolean', default: false },
        json: { type: 'string' },
        from: { type: 'string' },
        compare: { type: 'string' },
        svg: { type: 'string' },
        check: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new OptionError(`${(error as Error).message} (--help shows the options)`);
  }
}

function someOf(list: string, known: string[], option: string): string[] {
  const names = list.split(',').filter(Boolean);
  const strange = names.filter((name) => !known.includes(name));
  if (strange.length || !names.length)
    throw new OptionError(`${option} knows ${known.join(', ')}; not ${strange.join(', ') || 'an empty list'}`);
  return names;
}

function positive(text: string, option: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new OptionError(`${option} wants a number above 0, not ${text}`);
  return number;
}
