import type { Language } from '../http/language.ts';
import type { App } from '../oauth/app.ts';
import type { ProtocolFeature } from '../oauth/feature.ts';
import { describeScopes, type ScopeWords } from '../oauth/scopes/scope-words.ts';
import type { ConnectedClient } from '../oauth/store/connected-clients.ts';
import type { PagesFeature } from './feature.ts';

/** Owns how pages describe a client that a user gave access to. */

export type DescribedApp = {
  id: string;
  name: string;
  publisher: string | null;
  scopes: ScopeWords[];
  grantedAt: Date;
  usedAt: Date | null;
};

/** @returns a client as its user sees it. */
export function describe(
  client: ConnectedClient,
  { resourceServers, config }: App<PagesFeature & ProtocolFeature>,
  language: Language,
): DescribedApp {
  return {
    id: client.id,
    name: client.name ?? client.id,
    publisher: client.publisher,
    scopes: describeScopes(resourceServers, config.issuer, client.scopes, language),
    grantedAt: client.granted_at,
    usedAt: client.used_at,
  };
}
