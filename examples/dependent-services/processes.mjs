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

  /**
   * Starts a server, a second time if it ends at once: a server waits a second for its database, which a busy machine may not give it.
   * @param url answers with 200 once it is there. @throws Stop with the end of its log when it ends instead.
   */
  async start(name, script, variables, url) {
    const log = join(this.#dataDir, `${name}.log`);
    for (let attempt = 1; attempt <= 2; attempt++) {
      const child = this.#spawn(name, script, variables, log);
      if (!(await this.#isUp(name, url))) continue;
      child.on('close', () => this.#ending || console.log(`  ${name} has ended; the others go on. Its log: ${log}`));
      return;
    }
    throw new Stop(`${name} did not start:\n${readFileSync(log, 'utf8').slice(-2_000)}`);
  }

  #spawn(name, script, variables, log) {
    this.#assertOpen();
    const file = openSync(log, 'w', 0o600);
    // Its name is for whoever lists processes.
    const child = spawn(this.#node, [join(ROOT, script), name], {
      cwd: ROOT,
      env: { ...process.env, ...variables },
      stdio: ['ignore', file, file],
    });
    closeSync(file);
    this.#children.set(name, child);
    child.on('close', () => this.#children.delete(name));
    return child;
  }

  /** Whether it answers, as soon as it does. @returns false when it has ended. @throws Stop when it does neither. */
  async #isUp(name, url) {
    for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; ) {
      if (await answers(url)) return true;
      if (!this.#children.has(name)) return false;
      await new Promise((again) => setTimeout(again, 100));
    }
    throw new Stop(`${name} does not answer at ${url}`);
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
