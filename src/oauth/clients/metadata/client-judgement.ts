import type { Context, Next } from 'koa';
import { type Client, errors, type Provider } from 'oidc-provider';
import { isStorable } from '../../../platform/database.ts';
import { hasSecret, isSecretHandle, secretHandle } from '../secrets.ts';
import type { ClientMetadata } from '../store.ts';
import type { VerifiedNames } from '../verified-names.ts';
import { acceptMetadata } from './accepted-metadata.ts';
import { type Maker, NameTaken } from './registration-policy.ts';

/**
 * Owns the judgement of a client that does not come by the registration endpoint: one that an operator makes, or a developer in the portal.
 * The same library and the same registration-policy.ts say what they say there, in the same sentences. Does not store it.
 */

/** The library's own class, by the parameters that its types leave out; `ctx` is a request's, as far as the policy reads it. */
type Judged = new (
  metadata: ClientMetadata,
  ctx: { oidc: { body: ClientMetadata; entities: object; client?: Client | undefined; maker: Maker } },
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
 * @param maker an operator may register http addresses on a private network.
 * @returns the metadata as it is to be stored, with what was left out (RFC 7591 section 2).
 * @throws errors.InvalidRedirectUri, errors.InvalidClientMetadata: `error_description` is the sentence of what is wrong.
 */
export function judgeMetadata(
  provider: Provider,
  metadata: ClientMetadata,
  { client, maker }: { client?: Client | undefined; maker: 'developer' | 'operator' },
): ClientMetadata {
  const Client = provider.Client as unknown as Judged;
  const accepted = acceptMetadata(metadata) as ClientMetadata;
  return new Client(accepted, { oidc: { body: accepted, entities: {}, client, maker } }).metadata();
}

/**
 * What is wrong: with which member, as far as that is said, in the sentence that the registration endpoint would say. `like` is there for a name
 * that people could take for another: the other one, or null where it is this server's own.
 */
export type Refusal = { member: string | undefined; sentence: string; like?: string | null };

/** What came of it: the metadata as it is to be stored, or why not. */
export type PortalJudgement = { ok: true; metadata: ClientMetadata } | { ok: false; refusal: Refusal };

/**
 * The same for the portal, whose pages say what is wrong in their reader's language. One way for whatever makes or changes a client there.
 * @param metadata with a secret in clear when one is made; without, a client that authenticates by one keeps what it has.
 * @param client as it was, when it changes: one that the library does not find, since it is suspended, cannot.
 */
export function judgePortalClient(provider: Provider, metadata: ClientMetadata, client?: Client): PortalJudgement {
  if (!isStorable(metadata))
    return { ok: false, refusal: { member: undefined, sentence: 'parameters must not contain NUL or unpaired surrogates' } };
  const { client_secret: given, ...rest } = metadata;
  const kept = hasSecret(metadata) ? { client_secret: given ?? secretHandle(metadata.client_id) } : undefined;
  try {
    const { client_secret: secret, ...judged } = judgeMetadata(provider, { ...rest, ...kept }, { client, maker: 'developer' });
    const made = typeof secret === 'string' && !isSecretHandle(secret) ? { client_secret: secret } : undefined;
    return { ok: true, metadata: { ...judged, ...made } as ClientMetadata };
  } catch (error) {
    if (!(error instanceof errors.OIDCProviderError)) throw error;
    const sentence = error.error_description ?? error.message;
    const member = /^([a-z_]+(#[a-z]+)?)(?:\[\d+\]:)? /.exec(sentence)?.[1];
    return { ok: false, refusal: { member, sentence, ...(error instanceof NameTaken && { like: error.like }) } };
  }
}
