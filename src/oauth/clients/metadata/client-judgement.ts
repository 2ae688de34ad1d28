import type { Context, Next } from 'koa';
import { type Client, errors, type Provider } from 'oidc-provider';
import { isStorable } from '../../../platform/database.ts';
import { hasSecret, isSecretHandle, secretHandle } from '../secrets.ts';
import type { ClientMetadata } from '../store.ts';
import type { VerifiedNames } from '../verified-names.ts';
import { acceptMetadata } from './accepted-metadata.ts';
import { type Maker, NameTaken } from './registration-policy.ts';

/**
 * Owns the check of a client that an operator or a portal developer describes. The library and registration-policy.ts apply the rules of
 * the registration endpoint, with the same messages. Does not store the client.
 */

/** The library's class with the parameters that its types omit. `ctx` has the parts of a request that the policy reads. */
type Judged = new (
  metadata: ClientMetadata,
  ctx: { oidc: { body: ClientMetadata; entities: object; client?: Client | undefined; maker: Maker } },
) => { metadata(): ClientMetadata };

/** Runs before each request that may name a client. The check is synchronous, so the taken names must be up to date before it. */
export function beforeNaming(names: VerifiedNames) {
  return async (ctx: Context, next: Next) => {
    if (['POST', 'PUT', 'PATCH'].includes(ctx.method)) await names.catchUp();
    await next();
  };
}

/**
 * Refuses a name that is too similar to a verified one too, by the node's current knowledge: see beforeNaming().
 * @param metadata with a secret in clear, or its handle, if the client has one.
 * @param client its previous state, when it changes.
 * @param maker an operator may register http addresses on a private network.
 * @returns the metadata to store, with defaults (RFC 7591 section 2).
 * @throws errors.InvalidRedirectUri, errors.InvalidClientMetadata: `error_description` names the problem.
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
 * A problem: the member, if the message names one, and the message of the registration endpoint. `like` is present for a name that users
 * could
 * take for another: the other name, or null for this server's own.
 */
export type MetadataProblem = { member: string | undefined; sentence: string; like?: string | null };

/** The result: the metadata to store, or why it is refused. */
export type PortalJudgement = { ok: true; metadata: ClientMetadata } | { ok: false; problem: MetadataProblem };

/**
 * The same check for the portal, which explains problems in its reader's language. Every creation and change in the portal uses it.
 * @param metadata with a secret in clear when one is created. Without it, a client with secrets keeps them.
 * @param client its previous state, when it changes. A suspended client cannot change, because the library does not find it.
 */
export function judgePortalClient(provider: Provider, metadata: ClientMetadata, client?: Client): PortalJudgement {
  if (!isStorable(metadata))
    return { ok: false, problem: { member: undefined, sentence: 'parameters must not contain NUL or unpaired surrogates' } };
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
    return { ok: false, problem: { member, sentence, ...(error instanceof NameTaken && { like: error.like }) } };
  }
}
