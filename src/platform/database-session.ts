import type pg from 'pg';
import type { DatabaseHost, TargetSession } from './database-address.ts';
import { READ_ONLY } from './sql-errors.ts';

/**
 * Owns what a connection knows of its server: whether it takes writes. PostgreSQL says so when a connection begins and whenever that changes
 * (ParameterStatus, PostgreSQL documentation section 54.2.7), so it costs no statement. PgBouncer passes none of it on.
 */
export type Session = {
  host: DatabaseHost;
  /** Why the server is not the one that is wanted; undefined where it is, or does not say. */
  unfit(): string | undefined;
  /** Whether the server says what it takes. */
  known(): boolean;
  /** Ends the connection once it has no statement and no transaction under way. */
  endOnceIdle(): void;
};

type ParameterStatus = { parameterName: string; parameterValue: string };

/** @param onUnfit called when a connection that was right is no longer: the server says so, or refuses to write. */
export function openSession(
  client: pg.Client,
  host: DatabaseHost,
  { target, onUnfit }: { target: TargetSession; onUnfit(session: Session): void },
): Session {
  const { connection } = client;
  const said = new Map<string, string>();
  let connected = false;
  let ending = false;
  const session: Session = {
    host,
    unfit: () => unfitFor(target, said),
    known: () => said.has('in_hot_standby'),
    endOnceIdle() {
      if (ending) return;
      ending = true;
      // Once pg has told the statement that this was the answer to.
      connection.on('readyForQuery', () => setImmediate(endIfIdle, client));
      setImmediate(endIfIdle, client);
    },
  };
  client.once('connect', () => {
    connected = true;
  });
  connection.on('parameterStatus', ({ parameterName, parameterValue }: ParameterStatus) => {
    said.set(parameterName, parameterValue);
    if (connected && session.unfit()) onUnfit(session);
  });
  connection.on('errorMessage', ({ code }: { code?: string }) => {
    if (code === READ_ONLY) onUnfit(session);
  });
  return session;
}

function unfitFor(target: TargetSession, said: Map<string, string>): string | undefined {
  if (target === 'any') return undefined;
  if (said.get('in_hot_standby') === 'on') return 'is a standby';
  return target === 'read-write' && said.get('default_transaction_read_only') === 'on' ? 'is read-only' : undefined;
}

/** The words are pg's own for a connection that ended, so that whoever waits for it is told 503. */
function endIfIdle(client: pg.Client): void {
  const { readyForQuery } = client as unknown as { readyForQuery?: boolean };
  if (!readyForQuery || client.getTransactionStatus() !== 'I') return;
  client.connection.stream.destroy(new Error('Connection terminated: its server takes no writes'));
}
