import { exportJWK, generateKeyPair } from 'jose';
import { errors } from 'oidc-provider';
import { createCounts } from '../../audit/counts.ts';
import type { Config } from '../../platform/config.ts';
import { type Database, isStorable } from '../../platform/database.ts';
import { createLog } from '../../platform/log.ts';
import type { ProtocolFeature } from '../feature.ts';
import { createProvider } from '../provider.ts';
import { createApiCatalog } from '../scopes/api-catalog.ts';
import { createResourcePolicy } from '../scopes/resource-policy.ts';
import { readResourceServers } from '../scopes/scope-watch.ts';
import { judgeMetadata } from './metadata/client-judgement.ts';
import { SIGNING_ALGORITHMS } from './signing-algorithms.ts';
import type { ClientMetadata } from './store.ts';
import { NO_NAMES } from './verified-names.ts';

/**
 * Owns the judgement of a client that an operator makes: what is said at the registration endpoint to one that makes itself, in the same
 * sentences, by the same library and the same registration-policy.ts. Does not store it.
 */

/** Says what is to be stored of a client, or what is wrong with it; `scopes` are all that a client may name. */
export type ClientJudge = { judge(metadata: ClientMetadata): ClientMetadata; scopes: string[] };

type Place = { config: Config; database: Database; features: readonly ProtocolFeature[] };

/**
 * @param metadata with a secret in clear, if the client is to have one.
 * @returns the metadata as it is to be stored, with what was left out (RFC 7591 section 2). @throws Error with the sentence of what is wrong.
 */
export async function judgeClient(place: Place, metadata: ClientMetadata): Promise<ClientMetadata> {
  if (!isStorable(metadata)) throw new Error(UNSTORABLE);
  return (await openClientJudge(place)).judge(metadata);
}

const UNSTORABLE = 'parameters must not contain NUL or unpaired surrogates';

/** For many at once, by the scopes as they are now. What it says it says as judgeClient() does. */
export async function openClientJudge({ config, database, features }: Place): Promise<ClientJudge> {
  const servers = await readResourceServers({ database, issuer: config.issuer, features });
  const resources = createResourcePolicy(createApiCatalog(servers), config.issuer, features);
  // Nothing is looked up and nothing signed: the provider is there to be asked, and goes with the judge.
  const clients = { find: async () => undefined, forget() {} };
  const provider = createProvider({
    config,
    database,
    clients,
    names: NO_NAMES,
    log: createLog('silent'),
    counts: createCounts(),
    jwks: { keys: await passingKeys() },
    resources,
    features,
  });
  return {
    scopes: [...resources.scopes],
    judge(metadata) {
      if (!isStorable(metadata)) throw new Error(UNSTORABLE);
      try {
        // Those are ours to say, of a client that registers: an operator vouches for this one.
        const { dynamically_registered: _, ...judged } = judgeMetadata(provider, metadata, { maker: 'operator' });
        return judged as ClientMetadata;
      } catch (error) {
        if (error instanceof errors.OIDCProviderError) throw new Error(error.error_description ?? error.message);
        throw error;
      }
    },
  };
}

/** Of the algorithms that the server signs with, since a client may name them. */
async function passingKeys() {
  // One RSA key serves both of its algorithms, since making one takes time.
  const made = { RS256: newJwk('RS256'), ES256: newJwk('ES256'), EdDSA: newJwk('EdDSA') };
  return Promise.all(
    SIGNING_ALGORITHMS.map(async (alg) => ({ ...(await made[alg === 'PS256' ? 'RS256' : alg]), alg, kid: alg, use: 'sig' })),
  );
}

async function newJwk(alg: string) {
  return exportJWK((await generateKeyPair(alg, { extractable: true })).privateKey);
}
