import { errors } from 'oidc-provider';
import { IDENTITY_SCOPES } from '../../people/claims.ts';
import type { Scope } from '../scopes/resource-servers.ts';

/**
 * Owns how the scopes and resources of a request are settled (RFC 6749 section 3.3, RFC 8707 section 2). Most clients cannot send
 * `resource`,
 * and some send no `scope`. Both are optional, and the response states what was granted. Reads no request: see settle-request.ts.
 */

/** An API as one client may use it. `scopes` are those that this client may ask for. */
export type OpenApi = { identifier: string; resourceRequired: boolean; scopes: Scope[] };

export type Asking = {
  /** All APIs, the server's own first. */
  apis: [OpenApi, ...OpenApi[]];
  /** As the client sent it. */
  scope: string | undefined;
  /** The identifiers that the client named, in their registered spelling. */
  resources: string[];
  /** The scopes that the client registered. Undefined when it registered none and may ask for all. */
  registered: string[] | undefined;
  /** For the client credentials grant: the client acts for no user. */
  forItself: boolean;
};

/** `resources` are the audiences of the token. `implied` is true when the client named none and its scopes imply one. */
export type Settled = { scopes: string[]; resources: string[]; implied: boolean } | { refusal: errors.OIDCProviderError };

/** The defaults of a client that registered no scope and asks for none: most such clients read name and e-mail. */
const OF_AN_UNDECLARED_APP = ['profile', 'email'];

// These scopes do not imply an API.
const OF_NO_API = new Set([...IDENTITY_SCOPES, 'offline_access']);

/** @returns the scope values, each once. Any run of whitespace separates them. */
export const scopesIn = (scope: unknown): string[] => (typeof scope === 'string' ? [...new Set(scope.split(/\s+/).filter(Boolean))] : []);

/** @returns which scopes are asked of which API, or an error when no scope remains. */
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

/** Keeps scopes of the named APIs and of the server's own. The request did not ask other APIs for scopes (RFC 6749 section 3.3). */
function ofNamedApis(known: string[], { apis, resources }: Asking): Settled {
  const [own, ...others] = apis;
  const named = [own, ...others.filter(({ identifier }) => resources.includes(identifier))];
  const scopes = known.filter((name) => named.some((api) => offers(api, name)));
  if (scopes.length || !known.length) return { scopes, resources, implied: false };
  return { refusal: new errors.InvalidScope('none of the requested scopes belongs to the resource that is named', known.join(' ')) };
}

/** If all scopes other than identity belong to one API, the request is for that API. The server's own API is tried first. */
function ofImpliedApi(known: string[], { apis }: Asking): Settled {
  const [own, ...others] = apis;
  const ofSomeApi = known.filter((name) => !OF_NO_API.has(name));
  const fits = (api: OpenApi) => ofSomeApi.every((name) => offers(api, name));
  if (fits(own)) return { scopes: known, resources: [], implied: false };
  const meant = others.filter((api) => fits(api) && !api.resourceRequired);
  if (meant.length === 1 && meant[0]) return { scopes: known, resources: [meant[0].identifier], implied: true };
  // With several candidates the server's own API is meant. Scopes of the others are dropped, and the response states it.
  const scopes = known.filter((name) => offers(own, name));
  if (scopes.length) return { scopes, resources: [], implied: false };
  return {
    refusal: new errors.InvalidTarget('the requested scopes do not say which API is meant: name it by resource (RFC 8707 section 2)'),
  };
}
