import { type Client, type ClientMetadata, errors, type KoaContextWithOIDC } from 'oidc-provider';
import { DECEPTIVE, MAX_NAME_CHARACTERS } from '../clients/display-name.ts';
import { leadToNativeApp, redirectUrisProblem } from '../clients/redirect-uri.ts';
import { TOKEN_EXCHANGE_GRANT } from '../clients/store.ts';

/** Owns what a client may say of itself at the registration endpoint (RFC 7591 section 2, RFC 7592). */

const SELF_SERVICE_GRANTS = ['authorization_code', 'refresh_token', 'client_credentials', 'urn:ietf:params:oauth:grant-type:device_code'];

type Metadata = ClientMetadata & Record<string, unknown>;

/**
 * One check per member; the library calls the one of each member it names in `members`, in their order, before its own checks.
 * Members of ours come from the database alone: a request that sets them is overruled.
 */
const checks: Record<string, (metadata: Metadata, request: Record<string, unknown>, client?: Client) => void> = {
  dynamically_registered(metadata) {
    metadata['dynamically_registered'] = true;
  },
  introspects(metadata) {
    delete metadata['introspects'];
  },
  publisher(metadata) {
    delete metadata['publisher'];
  },
  services(metadata) {
    delete metadata['services'];
  },
  origins(metadata) {
    delete metadata['origins'];
  },
  registered_at(metadata) {
    delete metadata['registered_at'];
  },
  // First, because what redirect URIs may be depends on it. A client that did not say, and leads to an app on a device, is one (RFC 7591 section 2).
  application_type(metadata, request) {
    if (request['application_type'] === undefined && leadToNativeApp(metadata.redirect_uris)) metadata.application_type = 'native';
  },
  redirect_uris: (metadata) => judgeUris(metadata, 'redirect_uris'),
  post_logout_redirect_uris: (metadata) => judgeUris(metadata, 'post_logout_redirect_uris'),
  grant_types({ grant_types: grants }, _request, client) {
    // A client that was given it says so, as it must, when it updates itself (RFC 7592 section 2.2).
    const given = client?.['services'] ? [TOKEN_EXCHANGE_GRANT] : [];
    const refused = Array.isArray(grants) ? grants.find((grant) => ![...SELF_SERVICE_GRANTS, ...given].includes(grant)) : undefined;
    if (refused !== undefined) throw new errors.InvalidClientMetadata(`grant_types can only contain ${SELF_SERVICE_GRANTS.join(', ')}`);
  },
  client_name({ client_name: name }) {
    if (typeof name === 'string' && ([...name].length > MAX_NAME_CHARACTERS || DECEPTIVE.test(name))) {
      throw new errors.InvalidClientMetadata(
        `client_name must have ${MAX_NAME_CHARACTERS} characters or fewer, without control or bidirectional ones`,
      );
    }
  },
};

function judgeUris(metadata: Metadata, member: 'redirect_uris' | 'post_logout_redirect_uris'): void {
  if (metadata[member] === undefined) return;
  const problem = redirectUrisProblem(metadata[member], metadata.application_type === 'native' ? 'native' : 'web');
  if (problem) throw new errors.InvalidClientMetadata(`${member} ${problem}`);
}

export const registrationPolicy = {
  properties: Object.keys(checks),
  /** @param ctx absent when a stored client is read back: what is stored was judged when it came. */
  validator(ctx: KoaContextWithOIDC | undefined, member: string, _value: unknown, metadata: ClientMetadata): void {
    if (ctx) checks[member]?.(metadata as Metadata, (ctx.oidc.body ?? {}) as Record<string, unknown>, ctx.oidc.client);
  },
};
