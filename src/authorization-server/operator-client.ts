import { exportJWK, generateKeyPair } from 'jose';
import { errors } from 'oidc-provider';
import { createCounts } from '../audit/counts.ts';
import type { ClientMetadata } from '../clients/store.ts';
import type { Config } from '../platform/config.ts';
import { type Database, isStorable } from '../platform/database.ts';
import { createLog } from '../platform/log.ts';
import { judgeMetadata } from './client-judgement.ts';
import { createProvider } from './provider.ts';
import { createResourcePolicy } from './resource-servers.ts';
import { readResourceServers } from './scope-watch.ts';

/**
 * Owns the judgement of a client that an operator makes: what is said at the registration endpoint to one that makes itself, in the same
 * sentences, by the same library and the same registration-policy.ts. Does not store it.
 */

/**
 * @param metadata with a secret in clear, if the client is to have one.
 * @returns the metadata as it is to be stored, with what was left out (RFC 7591 section 2). @throws Error with the sentence of what is wrong.
 */
export async function judgeClient(
  { config, database }: { config: Config; database: Database },
  metadata: ClientMetadata,
): Promise<ClientMetadata> {
  if (!isStorable(metadata)) throw new Error('parameters must not contain NUL or unpaired surrogates');
  const resources = createResourcePolicy(await readResourceServers(database, config.issuer), config.issuer);
  // Nothing is looked up and nothing signed: the provider is there to be asked, and has gone when this returns.
  const clients = { find: async () => undefined, forget() {} };
  const provider = createProvider({
    config,
    database,
    clients,
    log: createLog('silent'),
    counts: createCounts(),
    jwks: { keys: await passingKeys() },
    resources,
  });
  try {
    // Those are ours to say, of a client that registers: an operator vouches for this one.
    const { dynamically_registered: _, ...judged } = judgeMetadata(provider, metadata);
    return judged as ClientMetadata;
  } catch (error) {
    if (error instanceof errors.OIDCProviderError) throw new Error(error.error_description ?? error.message);
    throw error;
  }
}

/** Of the algorithms that the server signs with, since a client may name them. */
function passingKeys() {
  return Promise.all(
    ['RS256', 'ES256'].map(async (alg) => {
      const { privateKey } = await generateKeyPair(alg, { extractable: true });
      return { ...(await exportJWK(privateKey)), alg, kid: alg, use: 'sig' };
    }),
  );
}
