import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureDependencies, ensurePrismaClient } from './bootstrap/dependencies.mjs';
import { ensureNode, ROOT } from './bootstrap/node.mjs';
import { fail } from './bootstrap/say.mjs';

/** `npm run bench`: brings what it needs and hands over to scripts/bench/throughput.ts, which says how it is used. */

try {
  const [node] = await Promise.all([ensureNode(), ensureDependencies('all')]);
  await ensurePrismaClient(node);
  spawn(node, [join(ROOT, 'scripts/bench/throughput.ts'), ...process.argv.slice(2)], { cwd: ROOT, stdio: 'inherit' }).on(
    'close',
    (code) => {
      process.exitCode = code ?? 1;
    },
  );
} catch (error) {
  fail(error);
}
