import { errors } from 'oidc-provider';
import { createCounts } from '../../audit/counts.ts';
import { isStorable } from '../../platform/database.ts';
import { createLog } from '../../platform/log.ts';
import type { StartingApp } from '../app.ts';
import type { ProtocolFeature } from '../feature.ts';
import { allowAlgorithms } from '../internals.ts';
import { createProvider } from '../provider.ts';
import { createApiCatalog } from '../scopes/api-catalog.ts';
import { createResourcePolicy } from '../scopes/resource-policy.ts';
import { ownResourceServers } from '../scopes/resource-servers.ts';
import { readResourceServers } from '../scopes/scope-watch.ts';
import { judgeMetadata } from './metadata/client-judgement.ts';
import { SIGNING_ALGORITHMS } from './signing-algorithms.ts';
import type { ClientMetadata } from './store.ts';
import { NO_NAMES } from './verified-names.ts';

/**
 * Owns the check of a client that an operator creates. The library and registration-policy.ts apply the rules of the registration endpoint,
 * with the same messages. Does not store the client.
 */

/** `judge` returns the metadata to store, or throws an error with the problem; `scopes` are all scopes that a client may name. */
export type ClientJudge = { judge(metadata: ClientMetadata): ClientMetadata; scopes: string[] };

type JudgingApp = Pick<StartingApp<ProtocolFeature>, 'config' | 'database' | 'keyRing' | 'features'>;

/**
 * @param metadata with a secret in clear, if the client has one.
 * @returns the metadata to store, with defaults (RFC 7591 section 2). @throws Error whose message is the problem.
 */
export async function judgeClient(app: JudgingApp, metadata: ClientMetadata): Promise<ClientMetadata> {
  if (!isStorable(metadata)) throw new Error(UNSTORABLE);
  return (await openClientJudge(app)).judge(metadata);
}

const UNSTORABLE = 'parameters must not contain NUL or unpaired surrogates';

/** The same check for many clients, with the scopes of this moment. */
export async function openClientJudge({ config, database, keyRing, features }: JudgingApp): Promise<ClientJudge> {
  const stored = await readResourceServers({ database, issuer: config.issuer, features });
  // Before its first start the server has stored none of its own.
  const missing = ownResourceServers(config.issuer).filter((own) => !stored.some(({ identifier }) => identifier === own.identifier));
  const servers = [...stored, ...missing];
  const resources = createResourcePolicy(createApiCatalog(servers), config.issuer, features);
  // The library judges a client by the settings of a provider, so the check needs one: of the same settings as the server's, without keys.
  const clients = { find: async () => undefined, forget() {} };
  const provider = createProvider({
    config,
    database,
    keyRing,
    clients,
    names: NO_NAMES,
    log: createLog('silent'),
    counts: createCounts(),
    jwks: { keys: [] },
    resources,
    features,
  });
  allowAlgorithms(provider, SIGNING_ALGORITHMS);
  return {
    scopes: [...resources.scopes],
    judge(metadata) {
      if (!isStorable(metadata)) throw new Error(UNSTORABLE);
      try {
        // The policy marks a client that registers itself. An operator is responsible for this one.
        const { dynamically_registered: _, ...judged } = judgeMetadata(provider, metadata, { maker: 'operator' });
        return judged as ClientMetadata;
      } catch (error) {
        if (error instanceof errors.OIDCProviderError) throw new Error(error.error_description ?? error.message);
        throw error;
      }
    },
  };
}
