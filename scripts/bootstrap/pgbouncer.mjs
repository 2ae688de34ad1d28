import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from './free-port.mjs';
import { accountOf } from './postgres.mjs';
import { Stop } from './say.mjs';

/** Runs PgBouncer in transaction mode before a PostgreSQL, for tests. It is no package of npm: the machine has it, or has not. */

/** What an operator gives the role, or says here: PgBouncer does not pass on the limit that the server asks for. */
const CONNECT_QUERY = "set statement_timeout = '1150ms'";

/** @returns {Promise<string | undefined>} what it says of its version; undefined where it is not installed. */
export async function pgbouncerVersion() {
  return promisify(execFile)('pgbouncer', ['--version'], { env: withSystemPrograms() }).then(
    ({ stdout }) => stdout.split('\n')[0],
    () => undefined,
  );
}

/** @param {string} databaseUrl of any database there. @returns {Promise<{ url(databaseUrl: string): string, stop(): Promise<void> }>} @throws Stop */
export async function startPgbouncer(databaseUrl) {
  const target = new URL(databaseUrl);
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'munjigi-pgbouncer-'));
  await chmod(folder, 0o755);
  const files = { 'users.txt': usersOf(target), 'pgbouncer.ini': settings({ folder, port, target }) };
  // It does not run as root, and becomes another user itself.
  const owner = process.getuid?.() === 0 ? ((await accountOf('postgres')) && 'postgres') || 'nobody' : undefined;
  const account = owner && (await accountOf(owner));
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, name), text, { mode: 0o600 });
    if (account) await chown(join(folder, name), account.uid, account.gid);
  }
  const args = ['-q', ...(owner ? ['-u', owner] : []), join(folder, 'pgbouncer.ini')];
  const child = spawn('pgbouncer', args, { env: withSystemPrograms(), stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (said += text));
  const ended = once(child, 'close').catch(() => {});
  while (!(await answers(port))) {
    if (child.exitCode !== null || child.pid === undefined) throw new Stop(`PgBouncer did not start:\n${said.trim()}`);
    await pause(20);
  }
  return {
    url(address) {
      const url = new URL(address);
      url.host = `127.0.0.1:${port}`;
      url.searchParams.set('pgbouncer', 'true');
      return url.href;
    },
    async stop() {
      child.kill('SIGKILL');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const usersOf = ({ username, password }) => `"${decodeURIComponent(username)}" "${decodeURIComponent(password)}"\n`;

const settings = ({ folder, port, target }) => `[databases]
* = host=${target.hostname} port=${target.port} connect_query='${CONNECT_QUERY.replaceAll("'", "''")}'

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${folder}/users.txt
pool_mode = transaction
max_client_conn = 1000
default_pool_size = 20
server_idle_timeout = 5
`;

/** Debian keeps it where only root's PATH leads. */
const withSystemPrograms = () => ({ ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/usr/local/sbin` });

const answers = (port) =>
  new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      done(true);
    });
    socket.on('error', () => done(false));
  });
