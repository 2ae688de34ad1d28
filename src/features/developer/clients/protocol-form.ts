import type { Problem } from '../../../http/problem.ts';
import { allowedOriginsProblem, MAX_ORIGINS } from '../../../oauth/clients/allowed-origins.ts';
import { SELF_SERVICE_GRANTS } from '../../../oauth/clients/metadata/registration-limits.ts';
import { placesOf } from '../../../oauth/clients/metadata/registration-policy.ts';
import type { ClientMetadata } from '../../../oauth/clients/store.ts';
import { MAX_GRACE_SECONDS } from '../../../oauth/tokens/refresh-policy.ts';
import type { Config } from '../../../platform/config.ts';
import { linesOf, type Typed, typedIn } from './form.ts';
import { listOf } from './kind.ts';
import { isRedirected } from './kinds.ts';

/** Owns the fields that decide how a client signs users in and gets tokens, and the problems shown beside them. */

export const METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'] as const;
export const GRANTS = SELF_SERVICE_GRANTS;

const FIELDS = ['token_endpoint_auth_method', 'jwks_uri', 'jwks', 'id_token_claims', 'refresh_token_grace', 'allowed_origins'] as const;
/** The members that the page changes. */
export const MEMBERS = [...FIELDS, 'grant_types', 'response_types'] as const;

export type Protocol = { typed: Typed; grants: string[] };

export const protocolIn = (form: URLSearchParams): Protocol => ({ typed: typedIn(form, FIELDS), grants: form.getAll('grant_types') });

/** @returns what the stored metadata says, as the form shows it. */
export function protocolOf(metadata: Record<string, unknown>): Protocol {
  const { token_endpoint_auth_method: method = 'client_secret_basic', jwks, jwks_uri = '', id_token_claims = '' } = metadata;
  const typed = {
    token_endpoint_auth_method: String(method),
    jwks_uri: String(jwks_uri),
    jwks: jwks === undefined ? '' : JSON.stringify(jwks, null, 2),
    id_token_claims: String(id_token_claims),
    refresh_token_grace: String(metadata['refresh_token_grace'] ?? ''),
    allowed_origins: listOf(metadata['allowed_origins']).join('\n'),
  };
  return { typed, grants: metadata['grant_types'] === undefined ? ['authorization_code'] : listOf(metadata['grant_types']) };
}

/** @returns the problems of the typed fields. client-judgement.ts finds the rest. */
export function protocolProblems({ typed, grants }: Protocol, metadata: Record<string, unknown>, config: Config): Problem[] {
  const method = typed['token_endpoint_auth_method'];
  const grace = typed['refresh_token_grace'] ?? '';
  const origins = linesOf(typed['allowed_origins']).map((line) => line.trim());
  const wrong = (field: string, key: string, values?: Problem['values']): Problem[] => [{ field, key, ...(values && { values }) }];
  return [
    ...(METHODS.some((known) => known === method) ? [] : wrong('token_endpoint_auth_method', 'developer.protocol.method_missing')),
    ...(method === 'private_key_jwt' && !typed['jwks'] && !typed['jwks_uri'] ? wrong('jwks_uri', 'developer.protocol.keys_missing') : []),
    ...(typed['jwks'] && typed['jwks_uri'] ? wrong('jwks', 'developer.protocol.keys_twice') : []),
    ...(typed['jwks'] && !isObject(typed['jwks']) ? wrong('jwks', 'developer.protocol.keys_unread') : []),
    ...(grants.every((grant) => GRANTS.includes(grant)) ? [] : wrong('grant_types', 'developer.protocol.grant_unknown')),
    ...(grants.includes('client_credentials') && method === 'none' ? wrong('grant_types', 'developer.protocol.own_without_secret') : []),
    ...(isRedirected({ grant_types: grants }) && !listOf(metadata['redirect_uris']).length
      ? wrong('grant_types', 'developer.protocol.code_without_uri')
      : []),
    ...(grace === '' || (/^\d{1,3}$/.test(grace) && Number(grace) <= MAX_GRACE_SECONDS)
      ? []
      : wrong('refresh_token_grace', 'developer.protocol.grace_wrong', { most: MAX_GRACE_SECONDS })),
    ...(allowedOriginsProblem(origins, placesOf(config).own)
      ? wrong('allowed_origins', 'developer.protocol.origins_wrong', { most: MAX_ORIGINS })
      : []),
  ];
}

/** @returns the changed metadata. Grants that only an operator gives stay, and so does each member without a field. */
export function withProtocol(metadata: ClientMetadata, { typed, grants }: Protocol): ClientMetadata {
  const others = Object.entries(metadata).filter(([member]) => !(MEMBERS as readonly string[]).includes(member));
  const given = listOf(metadata['grant_types']).filter((grant) => !GRANTS.includes(grant));
  const method = typed['token_endpoint_auth_method'];
  const signs = method === 'private_key_jwt';
  const origins = linesOf(typed['allowed_origins']).map((line) => line.trim());
  return {
    ...Object.fromEntries(others),
    client_id: metadata.client_id,
    token_endpoint_auth_method: method,
    grant_types: [...GRANTS.filter((grant) => grants.includes(grant)), ...given],
    response_types: isRedirected({ grant_types: grants }) ? ['code'] : [],
    ...(signs && typed['jwks_uri'] ? { jwks_uri: typed['jwks_uri'] } : undefined),
    ...(signs && typed['jwks'] ? { jwks: JSON.parse(typed['jwks']) } : undefined),
    ...(typed['id_token_claims'] === 'minimal' ? { id_token_claims: 'minimal' } : undefined),
    ...(typed['refresh_token_grace'] ? { refresh_token_grace: Number(typed['refresh_token_grace']) } : undefined),
    ...(origins.length ? { allowed_origins: origins } : undefined),
  };
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
