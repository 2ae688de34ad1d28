import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../scripts/bootstrap/node.mjs';
import { Stop } from '../../scripts/bootstrap/say.mjs';

/** The processes of the example: each writes its own log below DATA_DIR, and all of them end with it. */

const PATIENCE_MS = 60_000;

export class Household {
  #node;
  #dataDir;
  #children = new Map();
  #ending = false;

  constructor({ node, dataDir }) {
    this.#node = node;
    this.#dataDir = dataDir;
  }

  /** Runs a script to its end. @returns what it printed. @throws Stop with what it said when it fails. */
  async run(script, args, variables = {}) {
    this.#assertOpen();
    return new Promise((resolve, reject) => {
      const child = spawn(this.#node, [join(ROOT, script), ...args], {
        cwd: ROOT,
        env: { ...process.env, ...variables },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let [output, errors] = ['', ''];
      child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
      child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
      child.on('error', reject);
      child.on('close', (code) => (code === 0 ? resolve(output) : reject(new Stop(`${script} failed:\n${errors || output}`))));
    });
  }

  /** Starts a server. @param url answers with 200 once it is there. @throws Stop with the end of its log when it ends instead. */
  async start(name, script, variables, url) {
    this.#assertOpen();
    const log = join(this.#dataDir, `${name}.log`);
    const file = openSync(log, 'w', 0o600);
    // Its name is for whoever lists processes.
    const child = spawn(this.#node, [join(ROOT, script), name], {
      cwd: ROOT,
      env: { ...process.env, ...variables },
      stdio: ['ignore', file, file],
    });
    closeSync(file);
    this.#children.set(name, child);
    child.on('close', () => {
      this.#children.delete(name);
      if (!this.#ending) console.log(`  ${name} has ended; the others go on. Its log: ${log}`);
    });
    const deadline = Date.now() + PATIENCE_MS;
    while (!(await answers(url))) {
      if (!this.#children.has(name) || Date.now() > deadline)
        throw new Stop(`${name} did not start:\n${readFileSync(log, 'utf8').slice(-2_000)}`);
      await new Promise((again) => setTimeout(again, 100));
    }
  }

  /** Whoever is still starting when the others are stopped is not to be left behind. */
  #assertOpen() {
    if (this.#ending) throw new Stop('stopped');
  }

  /** Asks each process to end, and waits until it has. */
  async end() {
    this.#ending = true;
    await Promise.all(
      [...this.#children.values()].map(
        (child) =>
          new Promise((ended) => {
            child.on('close', ended);
            child.kill('SIGTERM');
          }),
      ),
    );
  }
}

const answers = (url) =>
  fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
    ({ ok }) => ok,
    () => false,
  );
