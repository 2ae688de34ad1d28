import type { Context, Next } from 'koa';
import { type Client, errors, type Provider } from 'oidc-provider';
import { hasSecret, isSecretHandle, secretHandle } from '../clients/secrets.ts';
import type { ClientMetadata } from '../clients/store.ts';
import type { VerifiedNames } from '../clients/verified-names.ts';
import { isStorable } from '../platform/database.ts';

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

/** What came of it: the metadata as it is to be stored, or which member is wrong, with the sentence that the registration endpoint would say. */
export type PortalJudgement = { ok: true; metadata: ClientMetadata } | { ok: false; member: string | undefined; sentence: string };

/**
 * The same for a client of the portal, which has a page to say what is wrong.
 * @param metadata with a secret in clear when one is made; a client that has its own keeps it. @param known whether it is there already, and changes.
 */
export async function judgePortalClient(provider: Provider, metadata: ClientMetadata, known: boolean): Promise<PortalJudgement> {
  if (!isStorable(metadata)) return { ok: false, member: undefined, sentence: 'parameters must not contain NUL or unpaired surrogates' };
  const client = known ? await provider.Client.find(metadata.client_id) : undefined;
  if (known && !client) return { ok: false, member: 'client_id', sentence: 'client_id is suspended' };
  const kept = hasSecret(metadata) ? { client_secret: metadata.client_secret ?? secretHandle(metadata.client_id) } : undefined;
  try {
    const { client_secret, ...judged } = judgeMetadata(provider, { ...metadata, ...kept }, client);
    const own = typeof client_secret === 'string' && !isSecretHandle(client_secret) ? { client_secret } : undefined;
    return { ok: true, metadata: { ...judged, ...own } as ClientMetadata };
  } catch (error) {
    if (!(error instanceof errors.OIDCProviderError)) throw error;
    const sentence = error.error_description ?? error.message;
    return { ok: false, member: /^([a-z_]+(#[a-z]+)?) /.exec(sentence)?.[1], sentence };
  }
}
