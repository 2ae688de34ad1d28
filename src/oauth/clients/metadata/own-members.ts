import { type ClientMetadata, errors } from 'oidc-provider';
import { LANGUAGES } from '../../../http/language.ts';
import { isDeceptive } from '../../../platform/visible-text.ts';
import { pkceByNature } from '../../requests/pkce-policy.ts';
import { scopesIn } from '../../requests/scope-rules.ts';
import { MAX_IDENTIFIER } from '../../scopes/resource-servers.ts';
import { MAX_GRACE_SECONDS } from '../../tokens/refresh-policy.ts';
import { allowedOriginsProblem } from '../allowed-origins.ts';
import { FAPI_PROFILE, profileOf } from '../client-profile.ts';

/** Owns the members of client metadata that are not standardized: their allowed values, and the correction in each error. */

export type Metadata = ClientMetadata & Record<string, unknown>;

const MAX_REASON_CHARACTERS = 200;

/** One check per member, for registration-policy.ts. A check changes the metadata where the response must differ from the request. */
export const OWN_MEMBERS: Record<string, (metadata: Metadata, context: { server: { own: readonly string[] } }) => void> = {
  allowed_origins(metadata, { server: { own } }) {
    const origins = metadata['allowed_origins'];
    // An empty value counts as absent (RFC 7591 section 2).
    if (origins === undefined || origins === null || origins === '') return void delete metadata['allowed_origins'];
    const problem = allowedOriginsProblem(origins, own);
    if (problem) throw new errors.InvalidClientMetadata(`allowed_origins ${problem}`);
  },
  // The API that the client's tokens are for. The portal's tools name it; a request names its own (RFC 8707).
  resource(metadata) {
    judgeText(metadata, 'resource');
    const resource = metadata['resource'];
    if (resource !== undefined && (String(resource).length > MAX_IDENTIFIER || !URL.canParse(String(resource))))
      throw new errors.InvalidClientMetadata(
        `resource must be the identifier of an API: an absolute URI of up to ${MAX_IDENTIFIER} characters`,
      );
  },
  // The scopes that the app requires. scope-rules and the API's owner decide in the end (consent/asked.ts).
  required_scope(metadata) {
    judgeText(metadata, 'required_scope');
    if (metadata['required_scope'] !== undefined) metadata['required_scope'] = scopesIn(metadata['required_scope']).join(' ');
  },
  ...Object.fromEntries(
    ['required_scope_reason', ...LANGUAGES.map((language) => `required_scope_reason#${language}`)].map((name) => [
      name,
      (metadata: Metadata) => judgeReason(metadata, name),
    ]),
  ),
  id_token_claims(metadata) {
    const wish = metadata['id_token_claims'];
    if (wish !== undefined && wish !== 'minimal')
      throw new errors.InvalidClientMetadata(
        'id_token_claims can only be "minimal": leave it out, and ID tokens carry the claims of granted scopes',
      );
  },
  require_pkce(metadata) {
    const required = metadata['require_pkce'] ?? undefined;
    if (required === undefined) delete metadata['require_pkce'];
    else if (typeof required !== 'boolean') throw new errors.InvalidClientMetadata('require_pkce must be a boolean');
    // Stored as true when the client must use PKCE anyway: the response states what applies (RFC 7591 section 3.2.1).
    else if (pkceByNature(profileOf(metadata))) metadata['require_pkce'] = true;
  },
  refresh_token_grace(metadata) {
    const seconds = metadata['refresh_token_grace'];
    if (seconds === undefined || (Number.isInteger(seconds) && Number(seconds) >= 0 && Number(seconds) <= MAX_GRACE_SECONDS)) return;
    throw new errors.InvalidClientMetadata(`refresh_token_grace must be a whole number of seconds from 0 to ${MAX_GRACE_SECONDS}`);
  },
  // Only rotation reveals a stolen refresh token of a public client without DPoP (RFC 9700 section 4.14.2).
  refresh_token_rotation(metadata) {
    const rotates = metadata['refresh_token_rotation'];
    if (rotates !== undefined && typeof rotates !== 'boolean')
      throw new errors.InvalidClientMetadata('refresh_token_rotation must be true or false');
    if (rotates === false && metadata.token_endpoint_auth_method === 'none' && metadata.dpop_bound_access_tokens !== true)
      throw new errors.InvalidClientMetadata(
        'refresh_token_rotation can be false only for a client that authenticates (token_endpoint_auth_method) or binds its tokens (dpop_bound_access_tokens)',
      );
  },
  fapi_profile: judgeFapiProfile,
};

/** The app's own text on the consent page: one line that cannot reorder the text around it. */
function judgeReason(metadata: Metadata, member: string): void {
  judgeText(metadata, member);
  const reason = metadata[member];
  if (typeof reason === 'string' && ([...reason].length > MAX_REASON_CHARACTERS || isDeceptive(reason)))
    throw new errors.InvalidClientMetadata(
      `${member} must have ${MAX_REASON_CHARACTERS} characters or fewer, without control, bidirectional or invisible ones`,
    );
}

/**
 * A client with the FAPI 2.0 Security Profile authenticates by a key, uses PAR, and gets sender-constrained tokens. Members that it omitted
 * are set,
 * and the response states them (FAPI 2.0 Security Profile section 5.3.2). A secret is refused, because the profile allows none.
 */
function judgeFapiProfile(metadata: Metadata): void {
  const profile = metadata['fapi_profile'];
  if (profile === undefined) return;
  if (profile !== FAPI_PROFILE) throw new errors.InvalidClientMetadata(`fapi_profile must be the string ${FAPI_PROFILE}, or be left out`);
  if (metadata.token_endpoint_auth_method !== 'private_key_jwt')
    throw new errors.InvalidClientMetadata('fapi_profile needs token_endpoint_auth_method private_key_jwt');
  metadata['require_pushed_authorization_requests'] = true;
  metadata['dpop_bound_access_tokens'] = true;
}

/** @throws errors.InvalidClientMetadata for a member that is present and not a text. */
export function judgeText(metadata: Metadata, member: string): void {
  if (metadata[member] !== undefined && (typeof metadata[member] !== 'string' || !metadata[member]))
    throw new errors.InvalidClientMetadata(`${member} must be a non-empty string if provided`);
}
