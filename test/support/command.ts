import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { TestServer } from './environment.ts';

/** Runs a command of `scripts/` on the server's database as an operator does, with nobody at the terminal. */
export function runScript(server: TestServer, name: string, ...args: string[]) {
  return spawnSync(process.execPath, [join(import.meta.dirname, `../../scripts/${name}.ts`), ...args], {
    encoding: 'utf8',
    input: '',
    env: {
      ...process.env,
      ISSUER: server.config.issuer,
      DATABASE_URL: server.config.databaseUrl,
      COOKIE_KEYS: server.config.cookieKeys.join(),
      DATA_ENCRYPTION_KEYS: server.config.dataEncryptionKeys.map((key) => Buffer.from(key).toString('base64url')).join(),
    },
  });
}
