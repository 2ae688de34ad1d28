import { type Client, type ClientMetadata, errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { Config } from '../../../platform/config.ts';
import { isBlank, isDeceptive } from '../../../platform/visible-text.ts';
import { MAX_KEYS } from '../client-keys.ts';
import { LOCALIZED, localizedMembers, MAX_NAME_CHARACTERS } from '../display-name.ts';
import { TRY_CALLBACK_PATH } from '../first-party.ts';
import { hasAppScheme, isNativeByAddress, redirectUrisProblem } from '../redirect-uri.ts';
import { TOKEN_EXCHANGE_GRANT } from '../store.ts';
import type { VerifiedNames } from '../verified-names.ts';
import { webLinkProblem } from '../web-link.ts';
import { judgeText, type Metadata, OWN_MEMBERS } from './own-members.ts';
import { type JudgedStatement, judgedStatement, type RegistrationLimits, SELF_SERVICE_GRANTS } from './registration-limits.ts';

/** Owns what a client may register (RFC 7591 section 2, RFC 7592). */

/** Who describes a client: the client itself at the registration endpoint, a developer in the portal, or an operator. */
export type Maker = 'client' | 'developer' | 'operator';

/**
 * What a check may read besides the metadata: the request, the client that updates itself, and who describes the client.
 * Also the limits of its initial access token, the checked software statement, and the settings of this server.
 */
type CheckContext = {
  request: Record<string, unknown>;
  client: Client | undefined;
  maker: Maker;
  limits: RegistrationLimits | undefined;
  statement: JudgedStatement | undefined;
  server: ServerFacts;
};

/**
 * What depends on this server's addresses. `own`: its origins, which no client may use. `loopbackPages`: a client's pages may be on a
 * loopback
 * address, because this server is too. `tryCallback`: the portal's redirect URI for trying a client, over http if the issuer uses http.
 */
export type Places = { own: readonly string[]; loopbackPages: boolean; tryCallback: string };

export const placesOf = ({ issuer, adminOrigin }: Pick<Config, 'issuer' | 'adminOrigin'>): Places => ({
  own: adminOrigin === undefined ? [issuer] : [issuer, adminOrigin],
  loopbackPages: !issuer.startsWith('https:'),
  tryCallback: `${issuer}${TRY_CALLBACK_PATH}`,
});

export type ServerFacts = Places & { names: VerifiedNames };

/**
 * One check per member. The library calls the check of each member in `members`, in their order, before its own checks.
 * Internal members come from the database only: a request cannot set them.
 */
const checks: Record<string, (metadata: Metadata, context: CheckContext) => void> = {
  // First, because its claims replace members of the request. A statement that was not checked is dropped: see client-judgement.ts.
  software_statement(metadata, { statement }) {
    if (statement?.problem) throw statement.problem;
    if (!statement) delete metadata['software_statement'];
  },
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
  owners(metadata) {
    delete metadata['owners'];
  },
  admin_scopes(metadata) {
    delete metadata['admin_scopes'];
  },
  registered_at(metadata) {
    delete metadata['registered_at'];
  },
  // Stored with the client, so that an update cannot exceed the limits of its registration.
  registration_limits(metadata, { limits }) {
    if (limits) metadata['registration_limits'] = limits;
    else delete metadata['registration_limits'];
  },
  // An app's own scheme makes a client native, even if it said web. So do loopback addresses, if it said nothing and has no secret (RFC
  // 8252).
  application_type(metadata, { request }) {
    const uris = metadata.redirect_uris;
    const said = request['application_type'] !== undefined && !(Array.isArray(uris) && uris.some(hasAppScheme));
    if (!said && isNativeByAddress(uris, metadata.token_endpoint_auth_method === 'none')) metadata.application_type = 'native';
  },
  // The portal's trial page is as safe as this server, also over http in development. No other address of this server is allowed.
  redirect_uris: (metadata, context) => judgeUris(metadata, 'redirect_uris', context),
  post_logout_redirect_uris: (metadata, context) => judgeUris(metadata, 'post_logout_redirect_uris', context),
  grant_types(metadata, { client, limits, request, maker }) {
    // An operator grants token exchange together with services, and the client then repeats it (RFC 7592 section 2.2).
    // Other clients that copy the grants of the server's metadata are registered without it.
    const others = listOf(metadata.grant_types).filter((grant) => grant !== TOKEN_EXCHANGE_GRANT) as string[];
    if (maker === 'client' && !client?.['services'] && others.length) metadata.grant_types = others;
    const given = client?.['services'] ? [TOKEN_EXCHANGE_GRANT] : [];
    const allowed: string[] = limits?.grantTypes.length ? limits.grantTypes : SELF_SERVICE_GRANTS;
    const refused = grantsOf(metadata).find((grant) => !([...allowed, ...given] as unknown[]).includes(grant));
    if (refused === undefined) return;
    const unsaid = refused === 'authorization_code' && !listOf(request['grant_types']).includes(refused);
    throw new errors.InvalidClientMetadata(
      `grant_types can only contain ${allowed.join(', ')}${unsaid ? ', and response_types must be empty' : ''}`,
    );
  },
  scope(metadata, { limits }) {
    if (!limits?.scopes.length) return;
    // A client that named no scopes gets all that it may have (RFC 7591 section 2).
    metadata.scope ??= limits.scopes.join(' ');
    if (
      String(metadata.scope)
        .split(' ')
        .some((scope) => !limits.scopes.includes(scope))
    )
      throw new errors.InvalidClientMetadata(`scope can only contain ${limits.scopes.join(', ')}`);
  },
  ...OWN_MEMBERS,
  client_name: (metadata, context) => judgeName(metadata, 'client_name', context),
  // A developer's name and version of the software (RFC 7591 section 2). Operators see them; they prove nothing.
  software_id: (metadata) => judgeLabel(metadata, 'software_id'),
  software_version: (metadata) => judgeLabel(metadata, 'software_version'),
  client_uri: (metadata, { server }) => judgePage(metadata, 'client_uri', server),
  logo_uri: (metadata, { server }) => judgePage(metadata, 'logo_uri', server),
  policy_uri: (metadata, { server }) => judgePage(metadata, 'policy_uri', server),
  tos_uri: (metadata, { server }) => judgePage(metadata, 'tos_uri', server),
  initiate_login_uri: (metadata) => judgeAddress(metadata, 'initiate_login_uri'),
  jwks(metadata) {
    const keys = (metadata.jwks as { keys?: unknown } | undefined)?.keys;
    if (Array.isArray(keys) && keys.length > MAX_KEYS)
      throw new errors.InvalidClientMetadata(`jwks must not have more than ${MAX_KEYS} keys`);
  },
  jwks_uri: (metadata) => judgeAddress(metadata, 'jwks_uri'),
  sector_identifier_uri: (metadata) => judgeAddress(metadata, 'sector_identifier_uri'),
  // Localized members have the same checks as the plain ones, those of the library included (RFC 7591 section 2.2).
  ...Object.fromEntries(
    LOCALIZED.flatMap((member) =>
      localizedMembers(member).map((name) => [
        name,
        (metadata: Metadata, context: CheckContext) => {
          judgeText(metadata, name);
          if (member === 'client_name') judgeName(metadata, name, context);
          else judgePage(metadata, name, context.server);
        },
      ]),
    ),
  ),
};

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** @returns the client's grant types. The library adds the code grant to clients with the response type `code`. */
function grantsOf({ grant_types: grants, response_types: responses }: Metadata): unknown[] {
  const takesCodes = !Array.isArray(responses) || responses.includes('code');
  return [...listOf(grants), ...(takesCodes ? ['authorization_code'] : [])];
}

function judgeName(metadata: Metadata, member: string, { client, server }: CheckContext): void {
  const name = metadata[member];
  if (typeof name !== 'string') return;
  // A client keeps its current name, even if another name was verified since or the character rules changed.
  if (client && name === (member === 'client_name' ? client.clientName : client[member])) return;
  judgeCharacters(name, member);
  const taken = server.names.takenBy(name, client?.clientId);
  if (!taken) return;
  throw new NameTaken(member, 'own' in taken ? null : taken.name);
}

/** A name that users could take for another. On the wire it is an ordinary metadata error; pages have their own sentence for it. */
export class NameTaken extends errors.InvalidClientMetadata {
  readonly like: string | null;

  /** @param like the other name; null for this server's own. */
  constructor(member: string, like: string | null) {
    const whose = like === null ? "this server's own name" : `the name ${asciiName(like)} of a client whose publisher is verified`;
    super(`${member} is too similar to ${whose}: choose one that people cannot take for it`);
    this.like = like;
  }
}

function judgeCharacters(text: string, member: string): void {
  if ([...text].length > MAX_NAME_CHARACTERS || isDeceptive(text))
    throw new errors.InvalidClientMetadata(
      `${member} must have ${MAX_NAME_CHARACTERS} characters or fewer, without control, bidirectional or invisible ones`,
    );
  if (text && isBlank(text)) throw new errors.InvalidClientMetadata(`${member} must have a letter, a digit or a sign that people see`);
}

// An error description is ASCII (RFC 7591 section 3.2.2), so other characters are escaped as in JSON.
const asciiName = (name: string) =>
  JSON.stringify(name).replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

function judgeLabel(metadata: Metadata, member: string): void {
  const label = metadata[member];
  if (label === undefined) return;
  judgeText(metadata, member);
  judgeCharacters(String(label), member);
}

/** Checks a page that users follow, or the address of a picture. The library refuses values that are not text. */
function judgePage(metadata: Metadata, member: string, { loopbackPages }: ServerFacts): void {
  judgeAddress(metadata, member, loopbackPages);
}

function judgeAddress(metadata: Metadata, member: string, loopback = false): void {
  const address = metadata[member];
  const problem = typeof address === 'string' && address ? webLinkProblem(address, loopback) : undefined;
  if (problem) throw new errors.InvalidClientMetadata(`${member} ${problem}`);
}

type UriList = 'redirect_uris' | 'post_logout_redirect_uris';

/** Only an operator may register an http address on a private network. A client that has one keeps it in later updates. */
function judgeUris(metadata: Metadata, member: UriList, { client, maker, server }: CheckContext): void {
  if (metadata[member] === undefined) return;
  const held = listOf(member === 'redirect_uris' ? client?.redirectUris : client?.postLogoutRedirectUris);
  const problem = redirectUrisProblem(member, metadata[member], {
    own: server.own,
    tryCallback: member === 'redirect_uris' ? server.tryCallback : undefined,
    privateHttp: (uri) => maker === 'operator' || held.includes(uri),
    held: (uri) => held.includes(uri),
  });
  // The first word tells the library that a redirect URI is wrong, for which RFC 7591 section 3.2.2 has its own error code.
  if (problem) throw new errors.InvalidClientMetadata(problem);
}

/** The policy in the library's form, for one server. */
export function createRegistrationPolicy(server: ServerFacts) {
  return {
    properties: Object.keys(checks),
    /** @param ctx absent when a stored client is read: it was checked when it was stored. */
    validator(ctx: KoaContextWithOIDC | undefined, member: string, _value: unknown, metadata: ClientMetadata): void {
      if (!ctx) return;
      const { body, client, entities } = ctx.oidc;
      // No request can set this: see client-judgement.ts.
      const maker = (ctx.oidc as { maker?: Maker }).maker ?? 'client';
      const token = entities['InitialAccessToken'] as { limits?: RegistrationLimits } | undefined;
      const limits = client ? (client['registration_limits'] as RegistrationLimits | undefined) : token?.limits;
      const request = (body ?? {}) as Record<string, unknown>;
      checks[member]?.(metadata as Metadata, { request, client, maker, limits, statement: judgedStatement(ctx), server });
    },
  };
}
