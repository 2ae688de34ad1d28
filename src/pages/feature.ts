import type { Database } from '../platform/database.ts';
import type { ClientAct } from './operators/named.ts';
import type { Route } from './operators/route.ts';
import type { OwnPage } from './own-pages.ts';

/** What a feature may add to our own pages. Each member is optional; src/feature.ts puts the parts of the contract together. */

export type PagesFeature = {
  /** What operators do and see of this feature: the admin API and the pages of administration. */
  administration?: { routes?: Route[]; pages?: Record<string, OwnPage>; clientActs?: ClientAct[] };
  /** How many things of this feature an account has, by the name that the overview page and the page of a person know: `links`. */
  countsOfAccount?(database: Database, accountId: string): Promise<Record<string, number>>;
  /** What the export of a user's data tells of this feature. */
  dataOfAccount?(database: Database, accountId: string): Promise<Record<string, unknown>>;
  /** Where a user goes on who has proven to read the account's mail, by the path of the proof's page: see pages/fresh-proof.ts. */
  afterProof?(what: string, which: string, request: string | undefined): { title: string; onward: string } | undefined;
};

/** All that features count, as one. */
export async function countsOfAccount(features: readonly PagesFeature[], database: Database, accountId: string) {
  const counts = await Promise.all(features.map((feature) => feature.countsOfAccount?.(database, accountId)));
  return Object.assign({}, ...counts) as Record<string, number>;
}
