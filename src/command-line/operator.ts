import { AT_THE_MACHINE } from '../audit/events.ts';
import { ADMIN_SCOPES } from '../oauth/scopes/admin-scopes.ts';
import { type Act, type ActingApp, type Outcome, perform, type Reason } from '../pages/operators/act.ts';
import { type Config, readConfig, readDatabaseUrl } from '../platform/config.ts';
import { type Database, openDatabase } from '../platform/database.ts';
import { inUse, type KnownKey, readKeyUse } from '../platform/key-use.ts';
import { createLog } from '../platform/log.ts';
import { KeyRing } from '../platform/secrets.ts';

/** Owns the operator at the machine: how commands reach the database, and how they do the acts of the admin API. */

/** The database at DATABASE_URL, for as long as the work takes. */
export async function withDatabase<T>(work: (database: Database) => Promise<T>): Promise<T> {
  const database = openDatabase(readDatabaseUrl(), createLog('silent'));
  return work(database).finally(() => database.close());
}

/** The visitor that audit events of commands name: see audit/events.ts. */
export const OPERATOR = { address: '', browser: undefined, requestId: AT_THE_MACHINE };

/** The key ring as DATA_ENCRYPTION_KEYS is written. It reads all that the server wrote, but the server may write with another key. */
export const keyRingAsWritten = (config: Config) => new KeyRing(config.dataEncryptionKeys);

/** The key ring that the server reads and writes with. */
export const keyRingInUse = (config: Config, known: KnownKey[]) => new KeyRing(inUse(config, known).dataEncryptionKeys);

/**
 * Does an act of the admin API with every admin scope, and records the same audit event. The server's environment is read only when the act
 * needs it, so that most acts need DATABASE_URL alone.
 */
export async function performAsOperator<Input, Result>(
  database: Database,
  act: Act<Input, Result>,
  wish: { target?: string; input?: unknown },
): Promise<Outcome<Result>> {
  const known = await readKeyUse(database);
  const app: ActingApp = {
    database,
    get config() {
      return readConfig();
    },
    get keyRing() {
      return keyRingInUse(readConfig(), known);
    },
    actor: { may: ADMIN_SCOPES, from: OPERATOR, atTheMachine: true },
  };
  return perform(act, app, wish);
}

/** What an act answered. @param about how the target reads: `client abc`. @throws Error with the sentence of the refusal. */
export function resultOf<Result>(outcome: Outcome<Result>, about: string): Result {
  if (outcome.ok) return outcome.result;
  const problems = outcome.problems?.map(({ field, detail }) => [field && flagged(field), detail].filter(Boolean).join(' ')).join('; ');
  throw new Error(problems ?? REFUSALS[outcome.reason](about));
}

/** `scopes.0` names the flag --scopes. */
const flagged = (field: string): string => `--${String(field.split('.')[0]).replaceAll('_', '-')}:`;

export const ownClientStays = (about: string): string => `${about} is this server's own, and stays as it is`;

const REFUSALS: Record<Reason, (about: string) => string> = {
  forbidden: (about) => `${about}: the operator may not do this`,
  above: (about) => `${about}: this takes more than the operator may do`,
  unknown: (about) => `there is no ${about}`,
  own_account: (about) => `${about}: no user does this to their own account`,
  last_admin: (about) => `${about} is the last admin`,
  last_owner: (about) => `${about}: the last owner of a client stays`,
  own_client: ownClientStays,
  own_resource_server: ownClientStays,
  taken: () => 'there is an account with this address already',
  ambiguous: () => 'the handle names more than one token: end their grants instead',
  changed: () => 'another operator or the client changed it at the same time: look at it again',
  invalid: (about) => `${about}: the input makes no sense`,
};
