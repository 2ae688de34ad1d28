import type pg from 'pg';
import type { DatabaseHost, TargetSession } from './database-address.ts';
import { READ_ONLY } from './sql-errors.ts';

/**
 * Owns what a connection knows about its server: whether it takes writes. PostgreSQL reports this when a connection begins and at each
 * change, so it costs no statement (ParameterStatus, PostgreSQL documentation section 54.2.7). PgBouncer does not pass it on.
 */
export type Session = {
  host: DatabaseHost;
  /** @returns why the server does not fit; undefined when it fits, or does not report it. */
  unfit(): string | undefined;
  /** Whether the server reports its state. */
  known(): boolean;
  /** Ends the connection when it has no statement and no transaction in progress. */
  endOnceIdle(): void;
};

type ParameterStatus = { parameterName: string; parameterValue: string };

/** @param onUnfit called when a connection's server no longer fits: it reports so, or refuses a write. */
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
      // Waits until pg has delivered this answer to its statement.
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

/** The message is pg's own for an ended connection, so that waiting requests are answered 503. */
function endIfIdle(client: pg.Client): void {
  const { readyForQuery } = client as unknown as { readyForQuery?: boolean };
  if (!readyForQuery || client.getTransactionStatus() !== 'I') return;
  client.connection.stream.destroy(new Error('Connection terminated: its server takes no writes'));
}
