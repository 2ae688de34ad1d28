import type { Context, Next } from 'koa';
import type { Client, Provider } from 'oidc-provider';
import type { ClientMetadata } from '../clients/store.ts';
import type { VerifiedNames } from '../clients/verified-names.ts';

/**
 * Owns the judgement of a client that does not come by the registration endpoint: one that an operator makes, or a developer in the portal.
 * The same library and the same registration-policy.ts say what they say there, in the same sentences. Does not store it.
 */

/** The library's own class, by the parameters that its types leave out; `ctx` is a request's, as far as the policy reads it. */
type Judged = new (
  metadata: ClientMetadata,
  ctx: { oidc: { body: ClientMetadata; entities: object; client?: Client | undefined } },
) => { metadata(): ClientMetadata };

/** Before anything that may give a client a name: the judgement, which waits for nobody, is to know the names that are taken. */
export function beforeNaming(names: VerifiedNames) {
  return async (ctx: Context, next: Next) => {
    if (['POST', 'PUT', 'PATCH'].includes(ctx.method)) await names.catchUp();
    await next();
  };
}

/**
 * A name that is too similar to one in verified-names.ts is refused here too, as far as the node knows: see beforeNaming().
 * @param metadata with a secret in clear, or its handle, if the client is to have one. @param client as it was, when it changes.
 * @returns the metadata as it is to be stored, with what was left out (RFC 7591 section 2).
 * @throws errors.InvalidRedirectUri, errors.InvalidClientMetadata: `error_description` is the sentence of what is wrong.
 */
export function judgeMetadata(provider: Provider, metadata: ClientMetadata, client?: Client): ClientMetadata {
  const Client = provider.Client as unknown as Judged;
  return new Client(metadata, { oidc: { body: metadata, entities: {}, client } }).metadata();
}
