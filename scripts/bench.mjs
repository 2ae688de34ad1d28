import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureDependencies, ensurePrismaClient } from './bootstrap/dependencies.mjs';
import { ensureNode, ROOT } from './bootstrap/node.mjs';
import { fail } from './bootstrap/say.mjs';

/** `npm run bench` and `npm run bench:prune`: brings what they need and hands over to the script in packages/bench, which says how it is used. */

const [, , first, ...more] = process.argv;
const [script, ...args] = first === 'prune' ? [first, ...more] : ['throughput', ...process.argv.slice(2)];

try {
  const [node] = await Promise.all([ensureNode(), ensureDependencies('all')]);
  await ensurePrismaClient(node);
  spawn(node, [join(ROOT, 'packages/bench', `${script}.ts`), ...args], { cwd: ROOT, stdio: 'inherit' }).on('close', (code) => {
    process.exitCode = code ?? 1;
  });
} catch (error) {
  fail(error);
}
