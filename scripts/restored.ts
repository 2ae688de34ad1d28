import { parseArgs } from 'node:util';
import { auditEvent } from '../src/audit/events.ts';
import { endAfterRestore } from '../src/operations/restored-backup.ts';
import { readDatabaseUrl } from '../src/platform/config.ts';
import { confirmed, OPERATOR, runCommand, table } from './command.ts';

const HELP = `Usage: node scripts/restored.ts [--yes]

  Run it once after a physical backup was restored (pg_basebackup, a snapshot of the disk, point-in-time recovery), before any node starts.
  The database has forgotten what was issued, spent and revoked since the backup. This command ends everything that this could concern.

  ends   authorization codes, access tokens, refresh tokens, sessions, sign-ins under way, pushed requests, device codes, codes and links that
         were mailed, mail that waits, and answers that are stored for a repeated request
  keeps  users with their passwords and factors, clients with their secrets and registration access tokens, what users allowed, APIs, signing
         keys, upstream accounts, and the audit log
  sets   client assertions and DPoP proofs from before this moment are refused; so are the codes of authenticator apps up to this moment
         users who asked for deletion have their 14 days again, and clients that registered themselves their 90 days

  --yes   does not ask first
  --help  shows this

Users sign in again, and are not asked again for what they allowed. What this command cannot know is in docs/operate/backup.md: what you had
ended since the backup is back, such as a client secret, a suspended client, a disabled account, or a signing key that leaked.
`;

await runCommand('restored', HELP, async () => {
  const { values } = parseArgs({ options: { help: { type: 'boolean' }, yes: { type: 'boolean' } } });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const url = readDatabaseUrl();
  const { host, pathname } = new URL(url);
  if (!(await confirmed(`End every token, code and session in ${host}${pathname}? Every user must sign in again.`, values.yes))) return 1;
  const ended = await endAfterRestore(url, (rows) => auditEvent(OPERATOR, { type: 'backup_restored', detail: { rows } }));
  console.log(table([['TABLE', 'ROWS ENDED'], ...ended.map(({ table: name, rows }) => [name, String(rows)])]));
  console.log('\nEvery token, code and session from before now is refused. Nodes can start. Read docs/operate/backup.md for what is back.');
  return 0;
});
