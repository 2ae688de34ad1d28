import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { postgresFolder } from './dependencies.mjs';
import { freePort } from './free-port.mjs';
import { Stop, step } from './say.mjs';

/**
 * Runs a real PostgreSQL in a folder, for development and tests.
 *
 * It is started by pg_ctl, in a session of its own, so that Ctrl-C reaches the server and not the database behind it.
 * PostgreSQL refuses to run as root. As root it gets the identity of `postgres` or `nobody`, and one capability, to walk through
 * folders of root's: nothing outside DATA_DIR changes its owner or mode.
 */

const run = promisify(execFile);
const USER = 'munjigi';
// The one that initdb makes: a database of another name would take a client library to create.
const DATABASE = 'postgres';

/**
 * @returns {Promise<{ url: string, started: boolean, stop(): Promise<void> }>} `url` leads to a database that is there; `started` is false where an
 * earlier run left it running. @throws Stop
 */
export async function startPostgres(dataDir, { flags = /** @type {string[]} */ ([]) } = {}) {
  const native = postgresFolder();
  if (!native)
    throw new Stop(`There is no embedded PostgreSQL for ${process.platform}-${process.arch}: set DATABASE_URL to a database of yours.`);
  const cluster = join(dataDir, 'postgres');
  const passwordFile = join(dataDir, 'postgres-password');
  const identity = await unprivileged();
  const tool = (name, args) =>
    run(...identity.command(join(native, 'bin', process.platform === 'win32' ? `${name}.exe` : name), args), {
      cwd: native,
      env: { ...process.env, LC_ALL: 'C' },
    });

  if (!existsSync(join(cluster, 'PG_VERSION')))
    await step('creating the database', () => createCluster({ cluster, passwordFile, identity, tool }));
  const password = (
    await readFile(passwordFile, 'utf8').catch(() => {
      throw new Stop(`${passwordFile} cannot be read: it has the password of the database in ${cluster}.`);
    })
  ).trim();

  let port = await runningPort(cluster, tool);
  const started = port === undefined;
  if (started) {
    port = await freePort();
    await step('starting PostgreSQL', () => startCluster({ cluster, port, flags, tool }));
  }
  return {
    url: `postgres://${USER}:${password}@127.0.0.1:${port}/${DATABASE}`,
    started,
    async stop() {
      await tool('pg_ctl', ['stop', '-w', '-m', 'fast', '-D', cluster]).catch(() => {});
    },
  };
}

async function createCluster({ cluster, passwordFile, identity, tool }) {
  // A folder without PG_VERSION is what an interrupted start left behind.
  await rm(cluster, { recursive: true, force: true });
  await mkdir(cluster, { recursive: true, mode: 0o700 });
  await identity.own(cluster);
  await writeFile(passwordFile, `${randomBytes(18).toString('base64url')}\n`, { mode: 0o600 });
  await identity.own(passwordFile);
  const options = [
    '-D',
    cluster,
    '--username',
    USER,
    '--auth',
    'scram-sha-256',
    '--pwfile',
    passwordFile,
    '--encoding',
    'UTF8',
    '--locale-provider',
    'builtin',
    '--builtin-locale',
    'C.UTF-8',
    '--locale',
    'C',
    '--no-sync',
    '--no-instructions',
  ];
  await tool('initdb', options).catch((error) => {
    throw new Stop(`The database could not be created in ${cluster}:\n${error.stderr || error.message}`);
  });
}

async function startCluster({ cluster, port, flags, tool }) {
  const log = join(cluster, 'server.log');
  const options = [
    `-p ${port}`,
    '-c listen_addresses=127.0.0.1',
    "-c unix_socket_directories=''",
    '-c log_min_messages=warning',
    ...flags.map((flag) => `-c ${flag}`),
  ].join(' ');
  await tool('pg_ctl', ['start', '-w', '-D', cluster, '-l', log, '-o', options]).catch(async (error) => {
    const last = (await readFile(log, 'utf8').catch(() => '')).trim().split('\n').slice(-3).join('\n');
    throw new Stop(`PostgreSQL did not start in ${cluster}:\n${last || error.stderr || error.message}`);
  });
}

/** The port of a server that an earlier run left running on this cluster; it is used, not started twice. */
async function runningPort(cluster, tool) {
  const running = await tool('pg_ctl', ['status', '-D', cluster]).then(
    () => true,
    () => false,
  );
  if (!running) return undefined;
  const lines = (await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  return Number(lines[3]) || undefined;
}

async function unprivileged() {
  if (process.platform === 'win32' || process.getuid() !== 0) return { command: (file, args) => [file, args], own: async () => {} };
  const account = (await accountOf('postgres')) ?? (await accountOf('nobody'));
  if (!account || process.platform !== 'linux')
    throw new Stop('PostgreSQL does not run as root: run npm start as another user, or set DATABASE_URL.');
  const { uid, gid } = account;
  // no_setuid_fixup keeps the capability through access(2), by which PostgreSQL looks for its own programs.
  const capabilities = ['inh-caps', 'ambient-caps', 'bounding-set'].map((set) => `--${set}=-all,+dac_read_search`);
  return {
    command: (file, args) => [
      'setpriv',
      ['--securebits=+no_setuid_fixup', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', ...capabilities, file, ...args],
    ],
    own: (path) => chown(path, uid, gid),
  };
}

/** @returns the uid and gid of a user of this machine, if it has one of that name. */
export async function accountOf(name) {
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map((which) =>
      run('id', [which, name]).then(
        ({ stdout }) => Number(stdout),
        () => undefined,
      ),
    ),
  );
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}
