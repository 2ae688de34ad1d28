import type { Load } from './load.ts';
import { checkAnswers, operationNamed, type Pair } from './operations.ts';
import type { BenchServer } from './servers.ts';

/**
 * Owns what requests use up, for one server: codes, and pairs of tokens, one pair a grant, so that revoking one never
 * finds the work done by another. What an exchange or a refresh brought is the next one's supply.
 */
export class Supplies {
  readonly #server: BenchServer;
  readonly #load: Load;
  readonly #account: string;
  readonly #pairs: Pair[] = [];
  readonly #stored: string[];
  #userToken: Pair | undefined;
  #introspections: Buffer[] | undefined;

  /** @param stored tokens that a filled table has, for introspection to ask for in turn. */
  constructor(server: BenchServer, load: Load, account: string, stored: string[] = []) {
    this.#stored = stored;
    this.#server = server;
    this.#load = load;
    this.#account = account;
  }

  /** Requests of an operation, ready to be sent: that many that are used up, or those that can be sent again and again. */
  async requests(name: string, count: number): Promise<Buffer | Buffer[]> {
    const { uses, request } = operationNamed(name);
    const { dialect } = this.#server;
    const nothing = { code: '', pair: { access: '', refresh: '' } };
    if (uses === 'nothing') return request(dialect, nothing);
    if (name === 'introspection' && this.#stored.length) {
      this.#introspections ??= this.#stored.map((access) => request(dialect, { ...nothing, pair: { access, refresh: '' } }));
      return this.#introspections;
    }
    if (uses === 'user token') return request(dialect, { ...nothing, pair: await this.#ofUser() });
    if (uses === 'code') return (await this.#codes(count)).map((code) => request(dialect, { ...nothing, code }));
    if (this.#pairs.length < count) await this.#exchange(count - this.#pairs.length);
    return this.#pairs.splice(0, count).map((pair) => request(dialect, { ...nothing, pair }));
  }

  /** Keeps what the answers of a slice brought. */
  put(bodies: string[]): void {
    for (const body of bodies) {
      const { access_token, refresh_token } = JSON.parse(body) as { access_token: string; refresh_token: string };
      this.#pairs.push({ access: access_token, refresh: refresh_token });
    }
  }

  async #ofUser(): Promise<Pair> {
    if (!this.#userToken) {
      await this.#exchange(1);
      this.#userToken = this.#pairs.pop() as Pair;
    }
    return this.#userToken;
  }

  #codes(count: number): Promise<string[]> {
    return this.#server.order<string[]>({ order: 'mint', count, account: this.#account });
  }

  async #exchange(count: number): Promise<void> {
    // A code lives for a minute: no more at once than are redeemed by then.
    for (let left = count; left > 0; left -= CODES_AT_ONCE) {
      const requests = await this.requests('code-exchange', Math.min(left, CODES_AT_ONCE));
      const { bodies } = await this.#load.run(requests, { seconds: 600, keepBodies: true });
      checkAnswers('code-exchange', bodies);
      this.put(bodies);
    }
  }
}

const CODES_AT_ONCE = 5_000;
