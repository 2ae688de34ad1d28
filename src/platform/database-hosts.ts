import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { type DatabaseAddress, type DatabaseHost, readDatabaseAddress } from './database-address.ts';
import { openSession, type Session } from './database-session.ts';

/**
 * Owns the choice of the host of DATABASE_URL. pg knows one host for a connection. Here a new connection first finds the host that takes
 * writes. That answer holds until a connection to the host fails, is lost, or learns that the host became read-only.
 */
export type DatabaseHosts = Pick<DatabaseAddress, 'pooled'> & {
  /** Creates connections, for pg's pool and for all other callers. */
  Client: new (
    config?: pg.ClientConfig,
  ) => pg.Client;
};

/** The first statement of a connection for long work. The database role may have a time limit, because a pooler needs one. */
export const WITHOUT_LIMIT = 'set statement_timeout = 0';

// Delay before the next host is tried; it is tried at once when the previous one failed (RFC 8305 section 5, "Connection Attempt Delay").
const NEXT_HOST_MS = 250;
// A host that has not answered by then counts as failed.
const PROBE_MS = 1_500;
// How long the result "no host takes writes" is reused. Otherwise each request would probe all hosts during a failover.
const AGAIN_MS = 200;
// Limit for finding a host when the connection has no limit of its own.
const FIND_MS = 5_000;

/** @throws Error that says what is wrong with the address. */
export function openHosts(url: string): DatabaseHosts {
  const address = readDatabaseAddress(url);
  const sessions = new Set<Session>();
  let found: Promise<DatabaseHost> | undefined;

  function find(): Promise<DatabaseHost> {
    found ??= firstThatFits(address).catch((error) => {
      void pause(AGAIN_MS, undefined, { ref: false }).then(forget);
      throw error;
    });
    return found;
  }

  function forget(): void {
    found = undefined;
  }

  /** Leaves a host that no longer takes writes. Connections that only read leave too, because a standby's data may be stale. */
  function leave(session: Session): void {
    forget();
    for (const other of address.target === 'any' ? [session] : sessions) if (other.host === session.host) other.endOnceIdle();
  }

  class Client extends pg.Client {
    readonly #findMs: number;
    #ended = false;

    constructor(config: pg.ClientConfig = {}) {
      super(settingsFor(address, config));
      this.#findMs = config.connectionTimeoutMillis ?? FIND_MS;
      // A lost connection already fails its statement. Without this listener the event would end the process.
      this.on('error', () => {});
    }

    override connect(): Promise<pg.Client>;
    override connect(callback: (error: Error | null, client?: pg.Client) => void): void;
    override connect(callback?: (error: Error | null, client?: pg.Client) => void): Promise<pg.Client> | undefined {
      const connecting = this.#connect();
      if (!callback) return connecting;
      connecting.then(() => callback(null, this), callback);
      return undefined;
    }

    override end(): Promise<void>;
    override end(callback: (error: Error) => void): void;
    override end(callback?: (error: Error) => void): Promise<void> | undefined {
      this.#ended = true;
      return callback ? void super.end(callback) : super.end();
    }

    async #connect(): Promise<pg.Client> {
      const host = await inTime(find(), this.#findMs);
      // The pool gives up on a connection by destroying its socket.
      if (this.#ended || this.connection.stream.destroyed) throw new Error('timeout exceeded when trying to connect');
      reach(this, host);
      const session = openSession(this, host, { target: address.target, onUnfit: leave });
      sessions.add(session);
      this.once('end', () => {
        sessions.delete(session);
        forget();
      });
      try {
        await super.connect();
      } catch (error) {
        forget();
        throw error;
      }
      const why = session.unfit();
      if (!why) return this;
      leave(session);
      this.end().catch(() => {});
      throw new Error(`Connection terminated: its server ${why}`);
    }
  }

  return { Client: Client as DatabaseHosts['Client'], pooled: address.pooled };
}

/** Opens a connection outside the pool. */
export function openClient(url: string, config: pg.ClientConfig): pg.Client {
  const { Client } = openHosts(url);
  return new Client(config);
}

/** Settings of the address override the server's own, except `options`: both are combined. */
function settingsFor({ settings, pooled }: DatabaseAddress, config: pg.ClientConfig): pg.ClientConfig {
  const options = [config.options, settings.options].filter(Boolean).join(' ');
  const merged = { ...config, ...settings, ...(options ? { options } : {}) };
  // PgBouncer refuses unknown startup parameters. With a pooler the role has the time limit instead (database-start.ts).
  return pooled ? { ...merged, options: undefined, statement_timeout: undefined } : merged;
}

function reach(client: pg.Client, { host, port, ssl }: DatabaseHost): void {
  if (host !== undefined) client.host = host;
  if (port !== undefined) client.port = port;
  if (ssl !== false) return;
  client.ssl = false;
  (client.connection as unknown as { ssl: boolean }).ssl = false;
}

/**
 * Tries several hosts in their order. After a short delay it tries the next one in parallel, so that a silent host does not block the
 * others.
 */
async function firstThatFits(address: DatabaseAddress): Promise<DatabaseHost> {
  const { hosts, prefersTls } = address;
  const [only] = hosts;
  if (only && hosts.length === 1 && !prefersTls) return only;
  const attempts: Promise<DatabaseHost>[] = [];
  for (const host of hosts) {
    const attempt = probe(address, host);
    attempts.push(attempt);
    const failed = () => undefined;
    const soon = pause(NEXT_HOST_MS, undefined, { ref: false });
    const fit = await Promise.race([Promise.any(attempts).catch(failed), attempt.catch(failed), soon]);
    if (fit) return fit;
  }
  return Promise.any(attempts).catch(({ errors }: AggregateError) => {
    throw noHost(hosts, errors);
  });
}

/**
 * Connects and checks the host.
 * @returns the host, and whether it works without TLS only.
 * @throws Error that says why the host does not fit.
 */
async function probe(address: DatabaseAddress, host: DatabaseHost): Promise<DatabaseHost> {
  const limits = { connectionTimeoutMillis: PROBE_MS, query_timeout: PROBE_MS };
  const client = new pg.Client(settingsFor(address, limits));
  client.on('error', () => {});
  reach(client, host);
  const session = openSession(client, host, { target: address.target, onUnfit() {} });
  try {
    await client.connect();
    const why = session.known() ? session.unfit() : await askedWhyUnfit(client, address.target);
    if (why) throw new Error(why);
    return host;
  } catch (error) {
    const speaksPlainly = address.prefersTls && host.ssl !== false && /does not support SSL/.test((error as Error).message);
    if (speaksPlainly) return probe(address, { ...host, ssl: false });
    throw error;
  } finally {
    client.end().catch(() => {});
  }
}

/** Asks a server that does not report its state, such as one behind PgBouncer. libpq asks the same. */
async function askedWhyUnfit(client: pg.Client, target: DatabaseAddress['target']): Promise<string | undefined> {
  if (target === 'any') return undefined;
  const { rows } = await client.query(
    "select pg_is_in_recovery() as standby, current_setting('transaction_read_only') = 'on' as read_only",
  );
  if (rows[0].standby) return 'is a standby';
  return target === 'read-write' && rows[0].read_only ? 'is read-only' : undefined;
}

/** Names the failure of each host. A refused password or a missing database is no outage, so that error is returned unchanged. */
function noHost(hosts: DatabaseHost[], failures: Error[]): Error {
  const refused = failures.find((error) => error instanceof pg.DatabaseError && /^(28|3D)/.test(error.code ?? ''));
  if (refused) return refused;
  const told = hosts.map(({ host, port }, n) => {
    const { message, code } = failures[n] as NodeJS.ErrnoException;
    return `${host ?? 'localhost'}:${port ?? 5432} ${message || code}`;
  });
  return new Error(`no database host takes writes: ${told.join(', ')}`, { cause: failures[0] });
}

/** @throws Error with the message of pg's own pool. */
async function inTime<T>(work: Promise<T>, ms: number): Promise<T> {
  const late = new AbortController();
  const limit = pause(ms, undefined, late).then(() => {
    throw new Error('timeout exceeded when trying to connect');
  });
  limit.catch(() => {});
  return Promise.race([work, limit]).finally(() => late.abort());
}
