import type { AccessToken, Client, ClientCredentials, KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { ApiCatalog } from './scopes/api-catalog.ts';

/**
 * Owns all that is borrowed of undocumented parts of the library, so that an upgrade of it starts here. Each was read in oidc-provider 9.13.3, and the
 * file that uses it has a test that fails without it. What is not where it was is told when the server starts.
 */

type Context = KoaContextWithOIDC['oidc'];
type Saved<Token> = (this: Token, ...args: unknown[]) => Promise<string>;

/** The methods that this server overrides, by their class; `static` where they are the class's own. */
export type Overridden = {
  /** The library awaits it, although its own answers at once: secrets are hashed here (oauth/clients/client-secrets.ts). */
  'Client.compareClientSecret': (this: Client, secret: string) => boolean;
  /** Called first of all that judges a response type, and nowhere else (requests/response-types.ts). */
  'Client.responseModeAllowed': Client['responseModeAllowed'];
  /** Whether an address is one of the client's (oauth/clients/redirect-uris.ts). */
  'Client.redirectUriAllowed': (this: { redirectUris?: string[] }, uri: unknown) => boolean;
  'Client.postLogoutRedirectUriAllowed': (this: { postLogoutRedirectUris?: string[] }, uri: unknown) => boolean;
  /** The library's own judgement of registered addresses (oauth/clients/redirect-uris.ts). */
  'Schema.redirectUris': () => void;
  /** What a session takes from a sign-in (session/session-proofs.ts). */
  'Session.loginAccount': (this: object, login: { accountId: string; loginTs?: number; amr?: string[] }) => void;
  /** Where a model is stored: the last moment to change it (requests/settle-request.ts, tokens/access-tokens.ts). */
  'AuthorizationCode.save': Saved<object>;
  'DeviceCode.save': Saved<object>;
  'AccessToken.save': Saved<AccessToken>;
  'ClientCredentials.save': Saved<ClientCredentials>;
  'static AccessToken.find': (value: string, options?: object) => Promise<AccessToken | undefined>;
  /** Where an ID token is signed (tokens/access-tokens.ts). */
  'IdToken.issue': (this: { set(name: string, value: string): void }, how: { use: string }) => Promise<string>;
  /** Remembers what a request is about, as soon as that is found (tokens/jwt-access-tokens.ts). */
  'OIDCContext.entity': (this: { route: string; params?: Record<string, unknown> }, key: string, value: unknown) => void;
  /** Asked when the client of an assertion is known, and before the assertion is looked at (oauth/clients/client-assertions.ts). */
  'OIDCContext.clientJwtAuthExpectedAudience': (this: Context) => { has(audience: unknown): boolean };
  /** Finds, and then saves: two steps that parallel requests all pass (oauth/clients/client-assertions.ts). */
  'static ReplayDetection.unique': (iss: string, jti: string, exp: number) => Promise<boolean>;
};

/** @param make gets the method as it was. @throws TypeError when the library has no such method any more. */
export function override<Name extends keyof Overridden>(
  provider: Provider,
  name: Name,
  make: (before: Overridden[Name]) => Overridden[Name],
): void {
  const [, own, className, method] = /^(static )?(\w+)\.(\w+)$/.exec(name) as unknown as [string, string | undefined, string, string];
  const found = classNamed(provider, className);
  const target = (own ? found : found.prototype) as Record<string, unknown>;
  if (typeof target[method] !== 'function') throw new TypeError(`the library has no ${name} any more: read oauth/internals.ts`);
  Object.defineProperty(target, method, { value: make(target[method] as Overridden[Name]), writable: true, configurable: true });
}

/** The members that this server computes in the library's place. */
export type Computed = {
  /** The context that the session has reached, in the words that the client asked with (session/strength.ts). */
  'OIDCContext.acr': (this: Pick<Context, 'params' | 'session'>) => string | undefined;
  /** Which APIs a code or token names (tokens/access-tokens.ts). All models of tokens share it. */
  'BaseToken.resourceIndicators': (this: { resource?: string | string[] }) => Set<string | undefined>;
};

export function compute<Name extends keyof Computed>(provider: Provider, name: Name, get: Computed[Name]): void {
  const [className, member] = name.split('.') as [string, string];
  Object.defineProperty(classNamed(provider, className).prototype, member, { get, configurable: true });
}

type Class = { prototype: object };

function classNamed(provider: Provider, name: string): Class {
  if (name === 'Schema') return (provider.Client as unknown as { Schema: Class }).Schema;
  if (name === 'BaseToken') return { prototype: Object.getPrototypeOf(provider.AccessToken.prototype) as object };
  return (provider as unknown as Record<string, Class>)[name] as Class;
}

/** Has a model keep more of what it is given: the library drops what it does not know. */
export function keepMembers(provider: Provider, name: 'Session' | 'InitialAccessToken', members: string[]): void {
  const model = provider[name] as unknown as { IN_PAYLOAD: string[] };
  const all = [...model.IN_PAYLOAD, ...members];
  Object.defineProperty(model, 'IN_PAYLOAD', { get: () => all });
}

/** Has a parameter answer with each value in turn, and with the last one from then on: the library reads a client assertion for its claims, and verifies it after. */
export function answerInTurn(params: object, name: string, values: string[]): void {
  Object.defineProperty(params, name, { enumerable: true, get: () => (values.length > 1 ? values.shift() : values[0]) });
}

/** Stores an interaction or a session as it is now. */
export const persist = (record: { persist(): Promise<unknown> }): Promise<unknown> => record.persist();

type KeyStore = Iterable<object> & { add(key: object): void; selectForVerify(options: { alg: string; kid?: unknown }): object[] };

const changed = new WeakSet<object>();

/** The keys of a client. @param change changes what all such stores do, once. */
export function keyStoreOf(client: Client, change: (methods: Pick<KeyStore, 'add' | 'selectForVerify'>) => void): KeyStore {
  const keys = (client as unknown as { asymmetricKeyStore: KeyStore }).asymmetricKeyStore;
  const methods = Object.getPrototypeOf(keys) as KeyStore;
  if (!changed.has(methods)) change(methods);
  changed.add(methods);
  return keys;
}

type Internals = (provider: Provider) => { configuration: { scopes: unknown } };

const { default: internalsOf } = (await import('oidc-provider/lib/helpers/weak_cache.js' as string)) as { default: Internals };

/**
 * Has the library's own set of scopes follow the catalog. The library copies what it is configured with, and has no setting for scopes that come and go; a
 * provider for each change made every node stop for half a second. @throws TypeError when the library keeps its scopes in another way.
 */
export function followScopes(provider: Provider, catalog: ApiCatalog): void {
  const { scopes } = internalsOf(provider).configuration;
  if (!(scopes instanceof Set)) throw new TypeError('the library keeps its scopes in another way than it did: read oauth/internals.ts');
  catalog.shareScopes(scopes);
}
