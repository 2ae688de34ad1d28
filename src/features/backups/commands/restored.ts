import { recordEvent } from '../../../audit/events.ts';
import { type Command, DONE, REFUSED } from '../../../command-line/command.ts';
import { OPERATOR } from '../../../command-line/operator.ts';
import { confirmed, table } from '../../../command-line/terminal.ts';
import { readDatabaseUrl } from '../../../platform/config.ts';
import { endAfterRestore } from '../restored-backup.ts';

/** Owns the command for a database that comes from a physical backup: see features/backups/restored-backup.ts. */

const NOTES = `  Run it once after a physical backup was restored (pg_basebackup, a snapshot of the disk, point-in-time recovery), before any node starts.
  The database has forgotten what was issued, spent and revoked since the backup. This command ends everything that this could concern.

  ends   authorization codes, access tokens, refresh tokens, sessions, sign-ins under way, pushed requests, device codes, codes and links that
         were mailed, mail that waits, and answers that are stored for a repeated request
  keeps  users with their passwords and factors, clients with their secrets and registration access tokens, what users allowed, APIs, signing
         keys, upstream accounts, and the audit log
  sets   client assertions and DPoP proofs from before this moment are refused; so are the codes of authenticator apps up to this moment
         users who asked for deletion have their 14 days again, and clients that registered themselves their 90 days

  Users sign in again, and are not asked again for what they allowed. What this command cannot know is in docs/operate/backup.md. What you ended
  since the backup is back: a client secret, a suspended client, a disabled account, or a signing key that leaked.`;

export const AFTER_RESTORE: Command = {
  noun: 'database',
  verb: 'after-restore',
  summary: 'End every token, code and session of a database that was restored from a physical backup',
  asks: true,
  notes: NOTES,
  async run({ yes, installed }) {
    const url = readDatabaseUrl();
    const { host, pathname } = new URL(url);
    if (!(await confirmed(`End every token, code and session in ${host}${pathname}? Every user must sign in again.`, yes))) return REFUSED;
    const ends = installed.features.flatMap((feature) => feature.afterRestore?.() ?? []);
    const ended = await endAfterRestore(url, ends, (rows) => recordEvent(OPERATOR, { type: 'backup_restored', detail: { rows } }));
    console.log(table([['TABLE', 'ROWS ENDED'], ...ended.map(({ table: name, rows }) => [name, String(rows)])]));
    console.log(
      '\nEvery token, code and session from before now is refused. Nodes can start. Read docs/operate/backup.md for what is back.',
    );
    return DONE;
  },
};
