import { parseArgs } from 'node:util';

/** What `npm run faults` can be asked. */

const HELP = `Usage: npm run faults -- [F1 F2 ...] [options]

  Starts PostgreSQL servers of its own and two nodes as in production behind HAProxy, plays each fault under a load of
  honest clients, and prints a table: what was done, requests sent, refused (503) and failed, seconds until all was good
  again, acknowledged facts that were lost, and whether it held. Without names, all faults: about twenty minutes.

  HAProxy is used where it is installed, with docs/operate/haproxy.cfg. A row that cannot be measured here says why.

    --write            puts the rows into docs/operate/faults.md; rows that were not played stay as they are
    --json FILE        writes the figures there too
    --rounds N         how often F14 sends 10,000 requests (5)
    --full             F4 in 200 runs, F5 to F7 in 100 rounds, F19 for 30 minutes (20 runs, 10 rounds, 1 minute)
    --help             shows this

  Ends with status 1 when a fault does not hold.
`;

export type Options = { faults: string[]; write: boolean; json?: string; rounds: number; full: boolean };

/** An argument that makes no sense, in one sentence. */
export class OptionError extends Error {}

/** @param args of the command line. @param known names of all faults. @returns undefined when help was asked for, and given. @throws OptionError */
export function readOptions(args: string[], known: string[]): Options | undefined {
  const { values, positionals } = parse(args);
  if (values.help) {
    process.stdout.write(HELP);
    return undefined;
  }
  const faults = positionals.map((name) => name.toUpperCase());
  const strange = faults.filter((name) => !known.includes(name));
  if (strange.length) throw new OptionError(`there is no fault ${strange.join(', ')}: known are ${known.join(', ')}`);
  return {
    faults: faults.length ? faults : known,
    write: values.write,
    ...(values.json ? { json: values.json } : {}),
    rounds: positive(values.rounds, '--rounds'),
    full: values.full,
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        help: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
        json: { type: 'string' },
        rounds: { type: 'string', default: '5' },
        full: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new OptionError(`${(error as Error).message} (--help shows the options)`);
  }
}

function positive(text: string, option: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new OptionError(`${option} must be a number above 0, not ${text}`);
  return number;
}
