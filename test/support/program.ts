import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** An application by others that serves pages from a process and a folder of its own. */
export type Program = {
  folder: string;
  /** Everything it printed so far. */
  output(): string;
  /** Ends the process and deletes its folder. */
  stop(): Promise<void>;
};

/**
 * Starts a program in a new, empty folder, and waits until it accepts connections.
 * @param prepare writes what the program reads from its folder, and returns the command with its arguments.
 * @throws with its output when the program ends first, or when it does not listen within half a minute.
 */
export async function startProgram(
  port: number,
  prepare: (folder: string) => Promise<string[]> | string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<Program> {
  const folder = await mkdtemp(join(tmpdir(), 'munjigi-client-'));
  const [command = '', ...options] = await prepare(folder);
  const child = spawn(command, options, {
    cwd: folder,
    env: { ...process.env, HOME: folder, PYTHONDONTWRITEBYTECODE: '1', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output += chunk;
    });
  const ended = once(child, 'close');
  let alive = true;
  ended.finally(() => {
    alive = false;
  });
  const program: Program = {
    folder,
    output: () => output,
    async stop() {
      child.kill();
      await ended;
      await rm(folder, { recursive: true });
    },
  };
  for (let tries = 0; !(await accepts(port)); tries++) {
    if (!alive || tries === 300) {
      await program.stop();
      throw new Error(output);
    }
    await pause(100);
  }
  return program;
}

/** @returns whether something listens at that port of loopback. */
function accepts(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => done(true)).once('error', () => done(false));
    socket.once('connect', () => socket.destroy());
  });
}
