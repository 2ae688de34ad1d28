import { Person } from '../../test/support/person.ts';

/** A browser whose requests are made by the load, so that they are counted and paced like all others. */
export class Visitor extends Person {
  readonly #send: (request: () => Promise<Response>) => Promise<Response>;

  constructor(issuer: string, send: (request: () => Promise<Response>) => Promise<Response>) {
    super(issuer);
    this.#send = send;
  }

  override request(path: string, init: RequestInit = {}): Promise<Response> {
    return this.#send(() => super.request(path, init));
  }
}
