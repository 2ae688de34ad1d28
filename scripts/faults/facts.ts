import type { Credentials, TestClient } from '../../test/support/flow.ts';
import type { Visitor } from './visitor.ts';

/** What the server acknowledged with a 200 or a redirect, and must therefore still be true after the fault. */
export type Facts = {
  /** Tokens that are active. */
  active: Map<string, TestClient>;
  /** Tokens that were revoked, or whose grant was. */
  revoked: Map<string, TestClient>;
  /** Refresh tokens that were exchanged: each works once. */
  spent: Map<string, TestClient>;
  /** Which client each user allowed. */
  allowed: { visitor: Visitor; client: TestClient; person: Credentials }[];
};

export const noFacts = (): Facts => ({ active: new Map(), revoked: new Map(), spent: new Map(), allowed: [] });

export const countFacts = ({ active, revoked, spent, allowed }: Facts) => active.size + revoked.size + spent.size + allowed.length;

/** The questions that a check asks. Each repeats its request until the server answers with something other than 503. */
export type Asking = {
  isActive(token: string, client: TestClient): Promise<boolean>;
  refreshes(token: string, client: TestClient): Promise<boolean>;
  isAllowed(visitor: Visitor, client: TestClient): Promise<boolean>;
};

const AT_ONCE = 8;

/**
 * Reads every fact again through the API.
 * @returns a sentence for each fact that is not true.
 */
export async function findLost(facts: Facts, asking: Asking): Promise<string[]> {
  const lost: string[] = [];
  await each(facts.active, async ([token, client]) => {
    if (!(await asking.isActive(token, client))) lost.push('an issued token is not active');
  });
  await each(facts.revoked, async ([token, client]) => {
    if (await asking.isActive(token, client)) lost.push('a revoked token is active');
  });
  await each(facts.allowed, async ({ visitor, client }) => {
    if (!(await asking.isAllowed(visitor, client))) lost.push('a consent is not there');
  });
  // Last: a second use ends the whole family, and with it tokens that were asked about above.
  await each(facts.spent, async ([token, client]) => {
    if (await asking.refreshes(token, client)) lost.push('an exchanged refresh token works again');
  });
  return lost;
}

async function each<T>(things: Iterable<T>, work: (thing: T) => Promise<void>): Promise<void> {
  const waiting = [...things];
  const lane = async () => {
    for (let thing = waiting.pop(); thing !== undefined; thing = waiting.pop()) await work(thing);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}
