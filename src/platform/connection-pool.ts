import pg from 'pg';

/**
 * Owns a pool whose callers wait for a connection less long than the connection takes to open over a slow network. A connection that
 * opens too late for its caller stays for the next one. pg's own pool would close it, and never have another.
 */
export class ConnectionPool extends pg.Pool {
  readonly #patienceMs: number;

  /** @param patienceMs how long a caller waits for a connection. */
  constructor({ patienceMs, ...config }: pg.PoolConfig & { patienceMs: number }) {
    super(config);
    this.#patienceMs = patienceMs;
  }

  /** @throws Error with the message of pg's own pool, when no connection became free in time. */
  override connect(): Promise<pg.PoolClient>;
  override connect(callback: Callback): void;
  override connect(callback?: Callback): Promise<pg.PoolClient> | undefined {
    if (!callback)
      return new Promise((resolve, reject) => {
        this.connect((error, client) => (client ? resolve(client) : reject(error)));
      });
    let waits = true;
    const patience = setTimeout(() => {
      waits = false;
      callback(new Error('timeout exceeded when trying to connect'), undefined, () => {});
    }, this.#patienceMs);
    super.connect((error, client, release) => {
      clearTimeout(patience);
      if (waits) callback(error, client, release);
      else if (client) release();
    });
    return undefined;
  }
}

type Callback = (error: Error | undefined, client: pg.PoolClient | undefined, release: (broken?: unknown) => void) => void;
