import { type Client, errors, type Provider } from 'oidc-provider';
import type { ClientMetadata } from '../clients/store.ts';

/**
 * Owns the judgement of a client that does not come by the registration endpoint: one that an operator makes, or a developer in the portal.
 * The same library and the same registration-policy.ts say what they say there, in the same sentences. Does not store it.
 */

/** The library's own class, by the parameters that its types leave out; `ctx` is a request's, as far as the policy reads it. */
type Judged = new (
  metadata: ClientMetadata,
  ctx: { oidc: { provider: Provider; body: ClientMetadata; entities: object; client?: Client | undefined } },
) => { metadata(): ClientMetadata };

/**
 * @param metadata with a secret in clear, or its handle, if the client is to have one. @param client as it was, when it changes.
 * @returns the metadata as it is to be stored, with what was left out (RFC 7591 section 2).
 * @throws errors.InvalidRedirectUri, errors.InvalidClientMetadata: `error_description` is the sentence of what is wrong.
 */
export function judgeMetadata(provider: Provider, metadata: ClientMetadata, client?: Client): ClientMetadata {
  const Client = provider.Client as unknown as Judged;
  return new Client(metadata, { oidc: { provider, body: metadata, entities: {}, client } }).metadata();
}

/** @returns the sentence of what is wrong with metadata; undefined when judgeMetadata() takes it. */
export function metadataProblem(provider: Provider, metadata: ClientMetadata, client?: Client): string | undefined {
  try {
    judgeMetadata(provider, metadata, client);
    return undefined;
  } catch (error) {
    if (error instanceof errors.OIDCProviderError) return error.error_description ?? error.message;
    throw error;
  }
}
