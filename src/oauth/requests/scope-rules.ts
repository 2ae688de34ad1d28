import { errors } from 'oidc-provider';
import { IDENTITY_SCOPES } from '../../people/claims.ts';
import type { Scope } from '../scopes/resource-servers.ts';

/**
 * Owns what the scopes and the resources of a request come to (RFC 6749 section 3.3, RFC 8707 section 2). Most clients cannot send `resource`,
 * and some send no `scope`: both may be left out, and the answer says what was granted. Reads no request: see settle-request.ts.
 */

/** An API as one client may ask for it. `scopes` are those that are open to this client. */
export type OpenApi = { identifier: string; resourceRequired: boolean; scopes: Scope[] };

export type Asking = {
  /** All APIs, the server's own first. */
  apis: [OpenApi, ...OpenApi[]];
  /** As the client sent it. */
  scope: string | undefined;
  /** Identifiers that the client named, as they are registered. */
  resources: string[];
  /** The scopes that the client registered; undefined when it registered none and may ask for all. */
  registered: string[] | undefined;
  /** By client credentials: the client acts for no user. */
  forItself: boolean;
};

/** `resources` are those that the token is for; `implied` when the client named none and its scopes say which. */
export type Settled = { scopes: string[]; resources: string[]; implied: boolean } | { refusal: errors.OIDCProviderError };

/** What an application that registered no scope gets when it names none: it reads the user's name and e-mail all the same. */
const OF_AN_UNDECLARED_APP = ['profile', 'email'];

// Beside any API's scopes these do not say which API is meant.
const OF_NO_API = new Set([...IDENTITY_SCOPES, 'offline_access']);

/** Scope values as a list, each once; any run of blanks separates them. */
export const scopesIn = (scope: unknown): string[] => (typeof scope === 'string' ? [...new Set(scope.split(/\s+/).filter(Boolean))] : []);

/** @returns what is asked of which API, or why nothing is left to ask. */
export function settleScopes(asking: Asking): Settled {
  const sent = scopesIn(asking.scope);
  const asked = sent.length ? sent : defaultScopes(asking);
  const known = asked.filter((name) => asking.apis.some((api) => offers(api, name)));
  if (!known.length && (sent.length || !asking.forItself)) return { refusal: nothingKnown(sent, asking) };
  return asking.resources.length ? ofNamedApis(known, asking) : ofImpliedApi(known, asking);
}

const offers = ({ scopes }: OpenApi, name: string): boolean => scopes.some((scope) => scope.name === name);

function nothingKnown(sent: string[], { forItself }: Asking): errors.InvalidScope {
  if (!sent.length)
    return new errors.InvalidScope(
      'scope is missing, and no default is left for this client: name the scopes that it needs, such as openid',
      '',
    );
  const hint = forItself ? ', or not open to a client that acts for itself' : '';
  return new errors.InvalidScope(
    `none of the requested scopes is known to this server${hint}: check their spelling, and separate them with spaces`,
    sent.join(' '),
  );
}

function defaultScopes({ apis, resources, registered, forItself }: Asking): string[] {
  const [own] = apis;
  const mayAsk = ({ name }: Scope) => registered?.includes(name) ?? true;
  if (resources.length)
    return apis
      .filter(({ identifier }) => resources.includes(identifier))
      .flatMap(({ scopes }) => scopes.filter((scope) => scope.isDefault && mayAsk(scope)).map(({ name }) => name));
  if (registered) {
    const sensitive = new Set(apis.flatMap(({ scopes }) => scopes.filter((scope) => scope.sensitive).map(({ name }) => name)));
    return registered.filter((name) => !sensitive.has(name));
  }
  // A client that acts for itself has no user whose name and e-mail it could read.
  return forItself ? [] : OF_AN_UNDECLARED_APP.filter((name) => offers(own, name));
}

/** The scopes of the APIs that are named, and the server's own. Those of other APIs were not asked of anybody (RFC 6749 section 3.3). */
function ofNamedApis(known: string[], { apis, resources }: Asking): Settled {
  const [own, ...others] = apis;
  const named = [own, ...others.filter(({ identifier }) => resources.includes(identifier))];
  const scopes = known.filter((name) => named.some((api) => offers(api, name)));
  if (scopes.length || !known.length) return { scopes, resources, implied: false };
  return { refusal: new errors.InvalidScope('none of the requested scopes belongs to the resource that is named', known.join(' ')) };
}

/** Where all scopes beside identity belong to one API, the request is for that API; the server's own API comes first. */
function ofImpliedApi(known: string[], { apis }: Asking): Settled {
  const [own, ...others] = apis;
  const ofSomeApi = known.filter((name) => !OF_NO_API.has(name));
  const fits = (api: OpenApi) => ofSomeApi.every((name) => offers(api, name));
  if (fits(own)) return { scopes: known, resources: [], implied: false };
  const meant = others.filter((api) => fits(api) && !api.resourceRequired);
  if (meant.length === 1 && meant[0]) return { scopes: known, resources: [meant[0].identifier], implied: true };
  // Of several APIs the server's own is meant, as ever; the scopes of the others are left out, and the answer says so.
  const scopes = known.filter((name) => offers(own, name));
  if (scopes.length) return { scopes, resources: [], implied: false };
  return {
    refusal: new errors.InvalidTarget('the requested scopes do not say which API is meant: name it by resource (RFC 8707 section 2)'),
  };
}
