import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { type DatabaseAddress, type DatabaseHost, readDatabaseAddress } from './database-address.ts';
import { openSession, type Session } from './database-session.ts';

/**
 * Owns which host of DATABASE_URL is connected to. pg knows one host for a connection. Here each connection asks first which host takes writes;
 * the answer holds until a connection to that host fails, is lost, or learns that the host no longer does.
 */
export type DatabaseHosts = Pick<DatabaseAddress, 'pooled'> & {
  /** Makes connections, for pg's pool and for everybody else. */
  Client: new (
    config?: pg.ClientConfig,
  ) => pg.Client;
};

/** The first statement of a connection whose work takes as long as it takes: its role may have a limit, which a pooler needs. */
export const WITHOUT_LIMIT = 'set statement_timeout = 0';

// The next host is tried so much later than the one before it, or as soon as that failed (RFC 8305 section 5, "Connection Attempt Delay").
const NEXT_HOST_MS = 250;
// A host that has no answer by then is one that failed.
const PROBE_MS = 1_500;
// So long "no host takes writes" holds: otherwise each request would ask all hosts, in the middle of a failover.
const AGAIN_MS = 200;
// Where a connection has no limit of its own.
const FIND_MS = 5_000;

/** @throws Error with a sentence of what is wrong with the address. */
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

  /** A host that no longer takes writes is left by every connection, also by those that read: what they read would grow old. */
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
      // A lost connection fails the statement, which is where it is heard of. Without a listener it would end the process.
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

/** A connection apart from those of the pool. */
export function openClient(url: string, config: pg.ClientConfig): pg.Client {
  const { Client } = openHosts(url);
  return new Client(config);
}

/** What the address says goes before what we say, except that both may have `options`. */
function settingsFor({ settings, pooled }: DatabaseAddress, config: pg.ClientConfig): pg.ClientConfig {
  const options = [config.options, settings.options].filter(Boolean).join(' ');
  const merged = { ...config, ...settings, ...(options ? { options } : {}) };
  // PgBouncer refuses a connection with startup parameters that it does not know: there the limit of time is the role's (database-start.ts).
  return pooled ? { ...merged, options: undefined, statement_timeout: undefined } : merged;
}

function reach(client: pg.Client, { host, port, ssl }: DatabaseHost): void {
  if (host !== undefined) client.host = host;
  if (port !== undefined) client.port = port;
  if (ssl !== false) return;
  client.ssl = false;
  (client.connection as unknown as { ssl: boolean }).ssl = false;
}

/** Several hosts are tried in their order, and soon side by side: one that says nothing must not keep all from the next. */
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

/** Connects and asks. @returns the host, and whether without TLS. @throws Error of why it is not the one. */
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

/** What libpq asks a server that does not say it by itself, such as one behind PgBouncer. */
async function askedWhyUnfit(client: pg.Client, target: DatabaseAddress['target']): Promise<string | undefined> {
  if (target === 'any') return undefined;
  const { rows } = await client.query(
    "select pg_is_in_recovery() as standby, current_setting('transaction_read_only') = 'on' as read_only",
  );
  if (rows[0].standby) return 'is a standby';
  return target === 'read-write' && rows[0].read_only ? 'is read-only' : undefined;
}

/** Says of each host what was wrong. A password or database that a host refuses is no outage: that error is passed on as it is. */
function noHost(hosts: DatabaseHost[], failures: Error[]): Error {
  const refused = failures.find((error) => error instanceof pg.DatabaseError && /^(28|3D)/.test(error.code ?? ''));
  if (refused) return refused;
  const told = hosts.map(({ host, port }, n) => {
    const { message, code } = failures[n] as NodeJS.ErrnoException;
    return `${host ?? 'localhost'}:${port ?? 5432} ${message || code}`;
  });
  return new Error(`no database host takes writes: ${told.join(', ')}`, { cause: failures[0] });
}

/** @throws Error in the words of pg's own pool. */
async function inTime<T>(work: Promise<T>, ms: number): Promise<T> {
  const late = new AbortController();
  const limit = pause(ms, undefined, late).then(() => {
    throw new Error('timeout exceeded when trying to connect');
  });
  limit.catch(() => {});
  return Promise.race([work, limit]).finally(() => late.abort());
}
