import { isStorable } from '../../../platform/database.ts';
import { ACR_VALUES } from '../../session/strength.ts';
import { TOKEN_EXCHANGE_GRANT } from '../store.ts';
import { SELF_SERVICE_GRANTS } from './registration-limits.ts';

/**
 * Owns the normalization of client metadata before it is checked (RFC 7591 sections 2 and 3.2.1). An empty member counts as absent.
 * Unsupported values are dropped, and defaults follow from the other members. The response states what was registered.
 * Refuses nothing: see registration-policy.ts.
 */

type Members = Record<string, unknown>;

const GRANTS = [...SELF_SERVICE_GRANTS, TOKEN_EXCHANGE_GRANT];
const RESPONSE_MODES = ['query', 'fragment', 'form_post'];
const APPLICATION_TYPES = ['web', 'native'];
const EMAIL = /^[^\s@]+@[^\s@]+$/;

/** Normalizes a registration request. An empty list of grants or response types counts as absent, unless the client uses no codes. */
export function acceptRequest(sent: Members, scopes: ReadonlySet<string>): Members {
  const { grant_types: grants, response_types: responses, ...others } = withoutAbsent(sent);
  const takesNone = isEmpty(responses) && others['redirect_uris'] === undefined;
  const accepted = acceptMetadata({
    ...others,
    ...(isEmpty(grants) && !takesNone ? undefined : { grant_types: grants }),
    ...(isEmpty(responses) && !takesNone ? undefined : { response_types: responses }),
  });
  const { scope } = accepted;
  // If no scope remains, the client counts as one that names none.
  return typeof scope === 'string' ? { ...accepted, scope: scopeIn(scope, scopes) } : accepted;
}

/** Normalizes a client that an operator or developer describes. An unknown scope stays, so that the check can name it. */
export function acceptMetadata(sent: Members): Members {
  const said = withoutAbsent(sent);
  const accepted = {
    ...said,
    ...flowOf(said),
    scope: scopeIn(said['scope']),
    response_modes: knownOf(said['response_modes'], RESPONSE_MODES),
    default_acr_values: knownOf(said['default_acr_values'], ACR_VALUES),
    contacts: left(said['contacts'], (contact) => EMAIL.test(contact)),
    application_type: knownOf([said['application_type']], APPLICATION_TYPES)?.[0],
    // An assertion algorithm has no meaning for a client without assertions.
    token_endpoint_auth_signing_alg:
      said['token_endpoint_auth_method'] === 'private_key_jwt' ? said['token_endpoint_auth_signing_alg'] : undefined,
  };
  return Object.fromEntries(Object.entries(accepted).filter(([, value]) => value !== undefined));
}

/** Only in these members does an empty list have a meaning. */
const EMPTY_MEANS = new Set(['grant_types', 'response_types']);

const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0;

/** Null counts as absent (RFC 7592 section 2.2), and so does an empty text or list. */
function withoutAbsent(sent: Members): Members {
  const saysNothing = (member: string, value: unknown) =>
    value === undefined || value === null || value === '' || (isEmpty(value) && !EMPTY_MEANS.has(member));
  return Object.fromEntries(Object.entries(sent).filter(([member, value]) => !saysNothing(member, value)));
}

/** Grants and response types depend on each other (RFC 7591 section 2.1). Defaults follow the grants. */
function flowOf({ grant_types: grants, response_types: responses, redirect_uris: uris }: Members): Members {
  const kept = knownOf(grants, GRANTS) ?? (isEmpty(grants) ? [] : undefined);
  // Tokens in URLs leak, so the client gets the code flow instead (RFC 9700 section 2.1.2).
  const implicit = Array.isArray(grants) && grants.includes('implicit') && !kept?.includes('authorization_code');
  const taken = implicit ? ['authorization_code', ...(kept ?? [])] : (kept ?? grants);
  return { grant_types: taken, response_types: responsesFor(taken, responses, uris !== undefined) };
}

/** @param redirected whether the client has a redirect URI. */
function responsesFor(grants: unknown, responses: unknown, redirected: boolean): unknown {
  const says = (grant: string) => Array.isArray(grants) && grants.includes(grant);
  const others = Array.isArray(grants) && !says('authorization_code');
  const known = knownOf(responses, ['code']);
  // A client of another grant without redirect URI cannot receive a code, so it does not mean `code`.
  if (known) return others && !redirected ? [] : known;
  if (isEmpty(responses) && !says('authorization_code')) return [];
  if (responses !== undefined && !Array.isArray(responses)) return responses;
  // A client with only the refresh grant must get its first token by a code.
  const refreshes = others && grants.length > 0 && grants.every((grant) => grant === 'refresh_token');
  return !others || refreshes ? ['code'] : [];
}

/** @returns undefined when the list has no known value. */
const knownOf = (list: unknown, known: readonly string[]): unknown[] | undefined => {
  const kept = left(list, (value) => known.includes(value));
  return Array.isArray(kept) && kept.length ? kept : undefined;
};

/** Values that are no text or cannot be stored stay in the list, so that the check refuses them. */
function left(list: unknown, has: (value: string) => boolean): unknown {
  return Array.isArray(list)
    ? list.filter((value) => value !== undefined && (typeof value !== 'string' || !isStorable(value) || has(value)))
    : list;
}

/** Any run of whitespace separates scopes. A list of scopes is accepted too. @returns undefined when no scope remains. */
function scopeIn(scope: unknown, known?: ReadonlySet<string>): unknown {
  const text = Array.isArray(scope) && scope.every((word) => typeof word === 'string') ? scope.join(' ') : scope;
  if (typeof text !== 'string') return text;
  const words = [...new Set(text.split(/\s+/))].filter((word) => word && (known?.has(word) ?? true));
  return words.join(' ') || undefined;
}
