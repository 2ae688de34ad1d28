import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../../bootstrap/node.mjs';
import type { Fault, Outcome, Trial } from '../fault.ts';

/** Faults whose trial is a test in its full form, which counts for itself: F4, F5, F6, F7, F16. */

type Full = {
  file: string;
  /** Tests of the file whose name matches; all of them without this. */
  pattern?: string;
  env: Record<string, string>;
  did: string;
  /** Requests that the test sends at the least, and what it asserts of each. */
  sent?: number;
  facts: number;
};

const PARALLEL = 50;

async function byTest({ cluster }: Trial, { file, pattern, env, did, sent, facts }: Full): Promise<Outcome> {
  const variables = { ...process.env, ...env, NODE_ENV: 'test', TEST_DATABASE_URL: cluster.url };
  const node = (...args: string[]) => promisify(execFile)(process.execPath, args, { cwd: ROOT, env: variables, maxBuffer: 2 ** 26 });
  await node(join(ROOT, 'scripts/test-template.ts'));
  const named = pattern ? [`--test-name-pattern=${pattern}`] : [];
  const broken = await node('--test', '--test-reporter=tap', ...named, file).then(
    ({ stdout }) => (/^# pass [1-9]/m.test(stdout) ? [] : ['no test ran']),
    ({ stdout }) => failuresIn(String(stdout)),
  );
  return { did, sent, facts, lost: broken.length ? undefined : 0, figures: `by \`${file}\``, broken };
}

/** @returns the first lines of what failed, of TAP, without those that only count. */
function failuresIn(tap: string): string[] {
  const errors = [...tap.matchAll(/^ +error: (?:\|-\n +)?(.*)$/gm)]
    .map(([, error]) => error as string)
    .filter((error) => !/subtests? failed/.test(error));
  return [...new Set(errors.length ? errors : ['the test failed'])].slice(0, 2);
}

const killed = (trial: Trial) => {
  const runs = trial.options.full ? 200 : 20;
  return byTest(trial, {
    file: 'test/faults/killed-server.test.ts',
    env: { RUNS: String(runs) },
    did: `SIGKILL at five points of the exchange of a code or refresh token, ${runs} runs: it works once more, or its tokens exist`,
    sent: runs,
    facts: runs,
  });
};

const race = (pattern: string, what: string, times: number, each: number) => (trial: Trial) => {
  const rounds = trial.options.full ? 100 : 10;
  return byTest(trial, {
    file: 'test/faults/two-processes.test.ts',
    pattern,
    env: { ROUNDS: String(rounds) },
    did: `${what}, ${rounds * times} rounds over two nodes`,
    sent: rounds * times * each,
    facts: rounds * times,
  });
};

const SIGN_INS = 10;
// How often the test lets all of them sign in.
const TURNS = 7;

const newKeys = (trial: Trial) =>
  byTest(trial, {
    file: 'test/faults/secret-keys.test.ts',
    env: { SIGN_INS: String(SIGN_INS) },
    did: `new COOKIE_KEYS and DATA_ENCRYPTION_KEYS on one node, on both, in use, alone: ${TURNS * SIGN_INS} sign-ins and as many letters over both nodes`,
    facts: 2 * TURNS * SIGN_INS,
  });

export const exactlyOnceFaults: Fault[] = [
  { id: 'F4', title: 'the server is killed at each point of an exchange', passes: 'never consumed without tokens', play: killed },
  {
    id: 'F5',
    title: 'one code many times at once',
    passes: 'one gets tokens, a later replay ends them',
    play: race('redemptions of one code', `${PARALLEL} redemptions of one code at once, and a later replay`, 1, PARALLEL + 1),
  },
  {
    id: 'F6',
    title: 'one refresh token many times at once',
    passes: 'one pair of tokens, no fork alive after a replay',
    play: race(
      'uses of one refresh token',
      `${PARALLEL} uses of one refresh token at once, without a grace period and with one`,
      2,
      PARALLEL + 1,
    ),
  },
  {
    id: 'F7',
    title: 'refresh against revocation and sign-out',
    passes: 'nothing is active afterwards',
    play: race('a refresh against revocation', 'a refresh against revocation, sign-out, or both', 5, 2),
  },
  { id: 'F16', title: 'new secret keys on nodes that differ', passes: 'every sign-in works, every letter arrives', play: newKeys },
];
