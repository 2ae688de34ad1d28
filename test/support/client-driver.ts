import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestSite } from './environment.ts';
import type { Credentials } from './flow.ts';
import { Visitor } from './visitor.ts';

/**
 * Runs a client of another language in a process of its own. It finds its settings, as JSON, in CLIENT_SETTINGS.
 * A line `open ADDRESS` has the user visit that address, and the process reads where the browser ended; a line `result JSON` is its result.
 * @param settings beside the issuer. @returns the result, of a shape that the caller knows. @throws AssertionError with all output unless it ends well.
 */
export async function drive<Result>(
  server: TestSite,
  user: Credentials,
  [command = '', ...options]: string[],
  settings: Record<string, unknown>,
): Promise<Result> {
  const visitor = new Visitor(server.issuer, { email: user.email, password: user.password });
  const child = spawn(command, options, {
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', CLIENT_SETTINGS: JSON.stringify({ issuer: server.issuer, ...settings }) },
  });
  let output = '';
  let result: unknown;
  child.stderr.on('data', (chunk) => {
    output += chunk;
  });
  const ended = once(child, 'close');
  for await (const line of createInterface({ input: child.stdout })) {
    const [word, rest] = [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)];
    if (word === 'open') {
      const page = await visitor.visit(rest);
      output += `\n${page.url}\n${page.html.slice(0, 2000)}\n`;
      child.stdin.write(`${page.url}\n`);
    } else if (word === 'result') result = JSON.parse(rest);
  }
  const [code] = await ended;
  assert.equal(code, 0, output);
  return result as Result;
}

/** CLIENTS_PYTHON names an interpreter that has the packages, such as one of a virtual environment. */
const interpreters = [process.env['CLIENTS_PYTHON'] ?? '', 'python3', '/usr/bin/python3'];

/** @returns the interpreter that has these modules, or why the test cannot run. */
export function pythonWith(modules: string): { python: string; skip: string | false } {
  const python = interpreters.find((name) => name && spawnSync(name, ['-c', `import ${modules}`], { stdio: 'ignore' }).status === 0);
  return { python: python ?? '', skip: !python && `no Python with ${modules}: see docs/clients.md` };
}
