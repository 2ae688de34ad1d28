import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { ensureDependencies, ensurePrismaClient } from './bootstrap/dependencies.mjs';
import { ensureNode, ROOT } from './bootstrap/node.mjs';
import { fail } from './bootstrap/say.mjs';

/** `npm run faults`: brings what it needs and hands over to scripts/faults/run.ts, which says how it is used. */

try {
  const [node] = await Promise.all([ensureNode(), ensureDependencies('all')]);
  await ensurePrismaClient(node);
  const env = {
    ...process.env,
    // Started by path, so that what the trials start finds the same Node.
    PATH: `${dirname(node)}:${process.env.PATH}`,
    // The trials start many processes, which load the same modules.
    NODE_COMPILE_CACHE: join(ROOT, '.data/faults/compile-cache'),
  };
  spawn(node, [join(ROOT, 'scripts/faults/run.ts'), ...process.argv.slice(2)], { cwd: ROOT, env, stdio: 'inherit' }).on('close', (code) => {
    process.exitCode = code ?? 1;
  });
} catch (error) {
  fail(error);
}
