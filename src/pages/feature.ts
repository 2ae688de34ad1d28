import type { Part } from '../http/under.ts';
import type { Database } from '../platform/database.ts';
import type { ClientAct } from './operators/named.ts';
import type { Route } from './operators/route.ts';
import type { OwnPage } from './own-pages.ts';

/** What a feature may add to signed-in pages. Each member is optional; src/feature.ts combines the parts of the contract. */

export type PagesFeature = {
  /** The feature's part of the admin API and the administration pages. */
  administration?: { routes?: Route[]; pages?: Record<string, OwnPage>; clientActs?: ClientAct[] };
  /** Files that pages on every listener load, such as pictures. They run before the language and need no unit of work. */
  assets?(database: Database): Part[];
  /** How many objects of this feature an account has, by the names that the overview pages use, such as `links`. */
  countsOfAccount?(database: Database, accountId: string): Promise<Record<string, number>>;
  /** The feature's part of the export of a user's data. */
  dataOfAccount?(database: Database, accountId: string): Promise<Record<string, unknown>>;
  /** Where the browser continues after the user proved the mailbox, by the path of the proof's page: see pages/fresh-proof.ts. */
  afterProof?(what: string, which: string, request: string | undefined): { title: string; onward: string } | undefined;
};

/** The counts of all features in one object. */
export async function countsOfAccount(features: readonly PagesFeature[], database: Database, accountId: string) {
  const counts = await Promise.all(features.map((feature) => feature.countsOfAccount?.(database, accountId)));
  return Object.assign({}, ...counts) as Record<string, number>;
}
