import type { AccessToken, Client, ClientCredentials, KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { ApiCatalog } from './scopes/api-catalog.ts';

/**
 * Owns every use of undocumented parts of the library, so an upgrade of the library starts here. Each was checked in oidc-provider 9.13.3.
 * The file that uses a part has a test that fails without it. The server fails to start when a part is missing.
 */

type Context = KoaContextWithOIDC['oidc'];
type Saved<Token> = (this: Token, ...args: unknown[]) => Promise<string>;

/** The methods that this server overrides, by class. `static` marks methods of the class itself. */
export type Overridden = {
  /**
   * The library awaits the result, although its own method is synchronous. Ours compares hashed secrets (oauth/clients/client-secrets.ts).
   */
  'Client.compareClientSecret': (this: Client, secret: string) => boolean;
  /** The library calls it before every other check of a response type, and nowhere else (requests/response-types.ts). */
  'Client.responseModeAllowed': Client['responseModeAllowed'];
  /** Whether an address is a redirect URI of the client (oauth/clients/redirect-uris.ts). */
  'Client.redirectUriAllowed': (this: { redirectUris?: string[] }, uri: unknown) => boolean;
  'Client.postLogoutRedirectUriAllowed': (this: { postLogoutRedirectUris?: string[] }, uri: unknown) => boolean;
  /** The library's own check of registered redirect URIs (oauth/clients/redirect-uris.ts). */
  'Schema.redirectUris': () => void;
  /** What a session takes over from a sign-in (session/session-proofs.ts). */
  'Session.loginAccount': (this: object, login: { accountId: string; loginTs?: number; amr?: string[] }) => void;
  /** Stores a model: the last moment to change it (requests/settle-request.ts, tokens/access-tokens.ts). */
  'AuthorizationCode.save': Saved<object>;
  'DeviceCode.save': Saved<object>;
  'AccessToken.save': Saved<AccessToken>;
  'ClientCredentials.save': Saved<ClientCredentials>;
  'static AccessToken.find': (value: string, options?: object) => Promise<AccessToken | undefined>;
  /** Signs an ID token (tokens/access-tokens.ts). */
  'IdToken.issue': (this: { set(name: string, value: string): void }, how: { use: string }) => Promise<string>;
  /** Records an entity of the request as soon as the library has found it (tokens/jwt-access-tokens.ts). */
  'OIDCContext.entity': (this: { route: string; params?: Record<string, unknown> }, key: string, value: unknown) => void;
  /** Called when the client of an assertion is known, before the library checks the assertion (oauth/clients/client-assertions.ts). */
  'OIDCContext.clientJwtAuthExpectedAudience': (this: Context) => { has(audience: unknown): boolean };
  /** The library first finds and then saves, so parallel requests could all pass (oauth/clients/client-assertions.ts). */
  'static ReplayDetection.unique': (iss: string, jti: string, exp: number) => Promise<boolean>;
};

/** @param make gets the original method. @throws TypeError when the library no longer has this method. */
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

/** The members that this server computes instead of the library. */
export type Computed = {
  /** The context that the session has reached, as the value that the client asked for (session/strength.ts). */
  'OIDCContext.acr': (this: Pick<Context, 'params' | 'session'>) => string | undefined;
  /** The APIs that a code or token names (tokens/access-tokens.ts). All token models share this member. */
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

/** Makes a model store further members: the library drops members that it does not know. */
export function keepMembers(provider: Provider, name: 'Session' | 'InitialAccessToken', members: string[]): void {
  const model = provider[name] as unknown as { IN_PAYLOAD: string[] };
  const all = [...model.IN_PAYLOAD, ...members];
  Object.defineProperty(model, 'IN_PAYLOAD', { get: () => all });
}

/**
 * Makes a parameter return each value in turn, then the last one. The library reads a client assertion for its claims first, and verifies
 * it later.
 */
export function answerInTurn(params: object, name: string, values: string[]): void {
  Object.defineProperty(params, name, { enumerable: true, get: () => (values.length > 1 ? values.shift() : values[0]) });
}

/** Stores an interaction or a session in its current state. */
export const persist = (record: { persist(): Promise<unknown> }): Promise<unknown> => record.persist();

type KeyStore = Iterable<object> & { add(key: object): void; selectForVerify(options: { alg: string; kid?: unknown }): object[] };

const changed = new WeakSet<object>();

/** @returns the keys of a client. @param change changes the methods that all key stores share; called once. */
export function keyStoreOf(client: Client, change: (methods: Pick<KeyStore, 'add' | 'selectForVerify'>) => void): KeyStore {
  const keys = (client as unknown as { asymmetricKeyStore: KeyStore }).asymmetricKeyStore;
  const methods = Object.getPrototypeOf(keys) as KeyStore;
  if (!changed.has(methods)) change(methods);
  changed.add(methods);
  return keys;
}

/** The settings that the library writes itself, from its own settings and its keys. */
type Settings = { scopes: unknown } & Record<(typeof ALGORITHM_LISTS)[number], unknown>;
type Internals = (provider: Provider) => { configuration: Settings };

const { default: internalsOf } = (await import('oidc-provider/lib/helpers/weak_cache.js' as string)) as { default: Internals };

/**
 * Makes the library's own set of scopes follow the catalog. The library copies its configured scopes and has no setting for changing ones.
 * Building a provider for each change stopped every node for half a second. @throws TypeError when the library stores its scopes in another
 * way.
 */
export function followScopes(provider: Provider, catalog: ApiCatalog): void {
  const { scopes } = internalsOf(provider).configuration;
  if (!(scopes instanceof Set)) throw new TypeError('the library keeps its scopes in another way than it did: read oauth/internals.ts');
  catalog.shareScopes(scopes);
}

/** Where the library notes the algorithms of its keys: a client may ask for these, and for no others. */
const ALGORITHM_LISTS = [
  'idTokenSigningAlgValues',
  'userinfoSigningAlgValues',
  'introspectionSigningAlgValues',
  'authorizationSigningAlgValues',
] as const;

/**
 * Lets clients of a provider without keys name these algorithms: it checks clients and signs nothing (oauth/clients/operator-client.ts).
 * The library takes the names from its keys and has no setting for them. @throws TypeError when the library stores them in another way.
 */
export function allowAlgorithms(provider: Provider, algorithms: readonly string[]): void {
  const { configuration } = internalsOf(provider);
  for (const list of ALGORITHM_LISTS) {
    if (!Array.isArray(configuration[list])) throw new TypeError(`the library has no ${list} any more: read oauth/internals.ts`);
    configuration[list] = [...algorithms];
  }
}
