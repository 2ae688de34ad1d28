import { recordEvent } from '../../audit/events.ts';
import { isClientKnown } from '../../oauth/clients/store.ts';
import { revokeGrantsTo } from '../../oauth/store/grants.ts';
import { findAccountRecord } from '../../people/administration.ts';
import { isStorable } from '../../platform/database.ts';
import { type Call, type Command, DONE, REFUSED } from '../command.ts';
import { OPERATOR, withDatabase } from '../operator.ts';
import { confirmed, quoted } from '../terminal.ts';

/** Owns the end of all that one user allowed one client: the admin API ends by user, by client or by grant. */

export const END_BETWEEN: Command = {
  noun: 'grants',
  verb: 'end-between',
  summary: 'End all that one user allowed one client, with every code and token under it; sessions stay',
  flags: {
    account: { type: 'string', value: 'EMAIL', help: 'The address of the user.', required: true },
    client: { type: 'string', value: 'CLIENT_ID', help: 'The client.', required: true },
  },
  asks: true,
  run: endBetween,
};

function endBetween({ flags, yes }: Call): Promise<number> {
  const [clientId, email] = [String(flags['client']), String(flags['account'])];
  return withDatabase(async (database) => {
    if (!(await isClientKnown(database, clientId))) throw new Error(`there is no client ${quoted(clientId)}`);
    const account = isStorable(email) ? await findAccountRecord(database, email) : undefined;
    if (!account) throw new Error(`there is no person ${quoted(email)}`);
    const what = `all that ${account.email} allowed ${clientId}`;
    if (!(await confirmed(`End ${what}?`, yes))) return REFUSED;
    const event = recordEvent(OPERATOR, { type: 'access_ended', accountId: account.id, clientId });
    await database.transaction([revokeGrantsTo(clientId, account.id), event]);
    console.log(`ended: ${what}`);
    return DONE;
  });
}
