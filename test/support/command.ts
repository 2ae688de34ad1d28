import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { TestServer } from './environment.ts';

/** Runs a file of `scripts/` on the server's database, without a terminal. */
export function runScript(server: TestServer, name: string, ...args: string[]) {
  return spawnSync(process.execPath, [scriptOf(name), ...args], { encoding: 'utf8', input: '', env: environmentOf(server) });
}

/** Runs `munjigi <noun> <verb>` on the server's database as an operator does, without a terminal. */
export function runCommand(server: TestServer, ...args: string[]) {
  return runScript(server, 'munjigi', ...args);
}

/** The same with a user at the terminal, who answers the question. */
export function answerCommand(server: TestServer, answer: string, ...args: string[]) {
  const terminal = 'data:text/javascript,Object.defineProperty(process.stdin, "isTTY", { value: true })';
  return spawnSync(process.execPath, ['--import', terminal, PROGRAM, ...args], {
    encoding: 'utf8',
    input: `${answer}\n`,
    env: environmentOf(server),
  });
}

/** The same for a command that speaks with a server of this process, which goes on meanwhile. */
export function runCommandAside(server: TestServer, ...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  return new Promise((done) => {
    const child = execFile(process.execPath, [PROGRAM, ...args], { env: environmentOf(server) }, (error, stdout, stderr) =>
      done({ status: error ? Number(error.code) : 0, stdout, stderr }),
    );
    child.stdin?.end();
  });
}

/** The same for a command that the test ends. */
export function startCommand(
  server: TestServer,
  ...args: string[]
): { child: ChildProcess; ended: Promise<{ status: number | null; stdout: string }> } {
  const child = spawn(process.execPath, [PROGRAM, ...args], { env: environmentOf(server), stdio: ['ignore', 'pipe', 'inherit'] });
  let stdout = '';
  child.stdout?.on('data', (part: Buffer) => {
    stdout += part;
  });
  return { child, ended: new Promise((done) => child.once('close', (status) => done({ status, stdout }))) };
}

const scriptOf = (name: string) => join(import.meta.dirname, `../../scripts/${name}.ts`);
const PROGRAM = scriptOf('munjigi');

/** What an operator's terminal has set. */
export const environmentOf = (server: TestServer): NodeJS.ProcessEnv => ({
  ...process.env,
  ISSUER: server.config.issuer,
  DATABASE_URL: server.config.databaseUrl,
  COOKIE_KEYS: server.config.cookieKeys.join(),
  DATA_ENCRYPTION_KEYS: server.config.dataEncryptionKeys.map((key) => Buffer.from(key).toString('base64url')).join(),
});
