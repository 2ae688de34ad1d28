import { type Adapter, errors } from 'oidc-provider';
import { type Database, isStorable } from '../platform/database.ts';
import type { ClientCache } from './clients/cache.ts';
import { type ClientMetadata, deleteClient, saveClient } from './clients/store.ts';
import type { ProtocolFeature } from './feature.ts';
import { createGrantStore } from './store/grants.ts';
import { createRecordStore } from './store/records.ts';
import { createSessionStore } from './store/sessions.ts';
import type { ProtocolStore } from './store/store.ts';
import { createCodeStore, createTokenStore } from './store/tokens.ts';
import { SingleUseLost, write } from './store/unit-of-work.ts';
import type { WithJwts } from './tokens/jwt-access-tokens.ts';

export type FeatureStores = Pick<ProtocolFeature, 'registeredWith'> & { stores?: Record<string, ProtocolStore> | undefined };

/**
 * Maps each model of the library to a store of this server.
 * @param features with the stores of models that only they use.
 * @param withJwts see createJwtAccessTokens().
 * @throws Error at the first use of a model that has no store.
 */
export function createAdapterFactory(
  database: Database,
  clients: ClientCache,
  features: readonly FeatureStores[],
  withJwts: WithJwts = (store) => store,
): (model: string) => Adapter {
  const stores: Record<string, ProtocolStore> = {
    Client: createClientAdapter(database, clients, features),
    Grant: createGrantStore(database),
    Session: createSessionStore(database),
    AuthorizationCode: createCodeStore(database),
    AccessToken: withJwts(createTokenStore(database, 'AccessToken'), 'AccessToken'),
    RefreshToken: withJwts(createTokenStore(database, 'RefreshToken'), 'RefreshToken'),
    ClientCredentials: withJwts(createTokenStore(database, 'ClientCredentials'), 'ClientCredentials'),
    Interaction: createRecordStore(database, 'Interaction'),
    PushedAuthorizationRequest: createRecordStore(database, 'PushedAuthorizationRequest'),
    ...Object.assign({}, ...features.map(({ stores }) => stores)),
  };
  return (model) => {
    const store = stores[model];
    if (!store) throw new Error(`no store for ${model}`);
    return asAdapter(store);
  };
}

/** The library's view of a store. A value that Postgres cannot store is the client's error. A second use becomes a protocol error. */
function asAdapter(store: ProtocolStore): Adapter {
  return {
    ...store,
    // An id that cannot be stored was never stored.
    async find(id) {
      return isStorable(id) ? store.find(id) : undefined;
    },
    async upsert(id, payload, expiresInSeconds) {
      if (!isStorable(payload)) throw new errors.InvalidRequest('parameters must not contain NUL or unpaired surrogates');
      await store.upsert(id, payload, expiresInSeconds);
    },
    async consume(id) {
      try {
        await store.consume?.(id);
      } catch (error) {
        // Only a pushed request is consumed at once and can fail here (RFC 9126 section 4). Codes and tokens are consumed at the end of the
        // request.
        throw error instanceof SingleUseLost ? new errors.InvalidRequestUri('request_uri is invalid, expired, or was already used') : error;
      }
    },
  } as Adapter;
}

function createClientAdapter(database: Database, clients: ClientCache, features: readonly FeatureStores[]): ProtocolStore {
  const registeredWith = async () => {
    for (const feature of features) {
      const found = await feature.registeredWith?.();
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return {
    async upsert(id, metadata) {
      const statements = saveClient(metadata as unknown as ClientMetadata, await registeredWith());
      for (const [n, statement] of statements.entries())
        await write(database, { purpose: 'issue', subject: `Client ${id} ${n}`, statement, written: () => clients.forget(id) });
    },
    async find(clientId) {
      return (await clients.find(clientId)) as never;
    },
    async destroy(clientId) {
      await write(database, {
        purpose: 'end',
        subject: `Client ${clientId}`,
        statement: deleteClient(clientId),
        written: () => clients.forget(clientId),
      });
    },
  };
}
