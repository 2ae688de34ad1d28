import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startPostgres } from '../../scripts/bootstrap/postgres.mjs';
import { openClient } from '../../src/platform/database-hosts.ts';
import { createAuthority } from '../support/certificates.ts';
import { clientCredentials } from '../support/flow.ts';
import { createHouse } from '../support/processes.ts';

const MIGRATE = join(import.meta.dirname, '../../scripts/migrate.ts');

/** PostgreSQL documentation, section 32.19, table "SSL Mode Descriptions". */
describe('TLS to the database, by what DATABASE_URL says', () => {
  let folder: string;
  let postgres: { url: string; stop(): Promise<void> };
  const path = (name: string) => join(folder, name);

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'munjigi-tls-'));
    chmodSync(folder, 0o755);
    const [authority, stranger] = [await createAuthority('Test CA'), await createAuthority('Another CA')];
    // For its name alone: an address of it is another host's.
    const server = await authority.issue('localhost', [{ type: 'dns', value: 'localhost' }]);
    const client = await authority.issue('munjigi');
    const files = {
      'ca.pem': authority.cert,
      'stranger.pem': stranger.cert,
      'server.pem': server.cert,
      'server.key': server.key,
      'client.pem': client.cert,
      'client.key': client.key,
    };
    postgres = await startPostgres(folder, { flags: ['fsync=off'] });
    for (const [name, text] of Object.entries(files)) writeFileSync(path(name), text, { mode: 0o600 });
    await postgres.stop();
    // The database wants its key to be its own.
    execFileSync('chown', [`--reference=${path('postgres')}`, path('server.key')]);
    postgres = await startPostgres(folder, { flags: ['fsync=off', 'ssl=on', ...sslFiles()] });
  });
  after(async () => {
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const sslFiles = () => [`ssl_cert_file=${path('server.pem')}`, `ssl_key_file=${path('server.key')}`, `ssl_ca_file=${path('ca.pem')}`];
  const address = (query: string, host = 'localhost') => {
    const url = new URL(postgres.url);
    url.hostname = host;
    return `${url.href}?${query}`;
  };
  /** @returns whether the connection is in TLS. @throws what keeps it from being made. */
  async function connect(query: string, host?: string): Promise<boolean> {
    const client = openClient(address(query, host), { connectionTimeoutMillis: 5_000 });
    await client.connect();
    const { rows } = await client.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()').finally(() => client.end());
    return rows[0].ssl;
  }
  const root = (name: string) => `sslrootcert=${path(name)}`;
  const [MISTRUSTED, OTHER_NAME] = [/self-signed certificate|unable to (get|verify)/i, /does not match certificate/];

  it('disable does without; prefer and require take it, of whoever is there', async () => {
    assert.equal(await connect('sslmode=disable'), false);
    assert.equal(await connect('sslmode=prefer'), true);
    assert.equal(await connect('sslmode=require'), true);
  });

  it('require with an authority, and verify-ca, want the authority; the name may be another', async () => {
    for (const mode of ['require', 'verify-ca']) {
      assert.equal(await connect(`sslmode=${mode}&${root('ca.pem')}`, '127.0.0.1'), true, mode);
      await assert.rejects(connect(`sslmode=${mode}&${root('stranger.pem')}`), MISTRUSTED, mode);
    }
  });

  it('verify-full wants the name too, of whichever of several hosts it connects to', async () => {
    assert.equal(await connect(`sslmode=verify-full&${root('ca.pem')}`), true);
    await assert.rejects(connect(`sslmode=verify-full&${root('ca.pem')}`, '127.0.0.1'), OTHER_NAME);
    await assert.rejects(connect(`sslmode=verify-full&${root('stranger.pem')}`), MISTRUSTED);
    await assert.rejects(connect('sslmode=verify-full'), MISTRUSTED, 'the authorities that Node brings');
    const { port } = new URL(postgres.url);
    const several = (...hosts: string[]) =>
      address(`sslmode=verify-full&${root('ca.pem')}`).replace(`localhost:${port}`, hosts.map((host) => `${host}:${port}`).join());
    const client = openClient(several('127.0.0.1', 'localhost'), {});
    await client.connect();
    assert.equal(client.host, 'localhost');
    await client.end();
    await assert.rejects(openClient(several('127.0.0.1', '127.0.0.2'), {}).connect(), /no database host takes writes: .*does not match/);
  });

  it('a certificate of our own is shown to a server that wants one', async () => {
    const hba = path('postgres/pg_hba.conf');
    const before = readFileSync(hba, 'utf8');
    writeFileSync(hba, `hostssl all munjigi all cert\n${before}`);
    const reload = async (query: string) => {
      const client = openClient(address(query), {});
      await client.connect();
      await client.query('select pg_reload_conf()').finally(() => client.end());
    };
    await reload('sslmode=disable');
    const own = `sslcert=${path('client.pem')}&sslkey=${path('client.key')}`;
    const full = `sslmode=verify-full&${root('ca.pem')}`;
    // A connection is judged by the rules that the server has read by then.
    for (let refused = false; !refused; )
      refused = await connect(full).then(
        () => false,
        (error) => /certificate/.test(error.message),
      );
    assert.equal(await connect(`${full}&${own}`), true);
    writeFileSync(hba, before);
    await reload(`${full}&${own}`);
  });

  it('the server serves over it, and with the authorities of the system', async () => {
    const full = address(`sslmode=verify-full&${root('ca.pem')}`);
    execFileSync(process.execPath, [MIGRATE], { env: { ...process.env, DATABASE_URL: full } });
    const house = await createHouse(full);
    try {
      const client = await house.createClient();
      const server = await house.start();
      assert.ok((await clientCredentials(server, client)).access_token);
      const unsafe = "select count(*)::int as n from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'munjigi' and not ssl";
      assert.deepEqual(await house.sql(unsafe), [{ n: 0 }]);
      const system = await house.start({ DATABASE_URL: address('sslrootcert=system'), SSL_CERT_FILE: path('ca.pem') });
      assert.ok((await clientCredentials(system, client)).access_token);
      const { code, output } = await house.startInVain({ DATABASE_URL: address(`sslmode=verify-full&${root('stranger.pem')}`) });
      assert.equal(code, 1);
      assert.match(output, /^Munjigi cannot start: .*certificate/);
    } finally {
      await house.close();
    }
  });

  it('prefer goes on without where the server has none, and require does not', async () => {
    await postgres.stop();
    postgres = await startPostgres(folder, { flags: ['fsync=off'] });
    assert.equal(await connect('sslmode=prefer'), false);
    await assert.rejects(connect('sslmode=require'), /does not support SSL/);
  });
});
