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

/** Owns what a client may say of itself at the registration endpoint (RFC 7591 section 2, RFC 7592). */

/** Who describes a client: itself at the registration endpoint, a developer in the portal, or an operator. */
export type Maker = 'client' | 'developer' | 'operator';

/**
 * What a check may look at beside the metadata: the request, the client that updates itself, who describes the client, what the token that
 * made it allows, what was found of its software statement, and what of the server is not the same everywhere.
 */
type Circumstances = {
  request: Record<string, unknown>;
  client: Client | undefined;
  maker: Maker;
  limits: RegistrationLimits | undefined;
  statement: JudgedStatement | undefined;
  house: House;
};

/**
 * What depends on where this server is. `own`: its origins, at which no client has an address. `loopbackPages`: a client's pages may be on its developer's own machine, where this server is too.
 * `tryCallback`: the developer portal's own address, to which a client that is tried there is led, and which may be http where the issuer is.
 */
export type Places = { own: readonly string[]; loopbackPages: boolean; tryCallback: string };

export const placesOf = ({ issuer, adminOrigin }: Pick<Config, 'issuer' | 'adminOrigin'>): Places => ({
  own: adminOrigin === undefined ? [issuer] : [issuer, adminOrigin],
  loopbackPages: !issuer.startsWith('https:'),
  tryCallback: `${issuer}${TRY_CALLBACK_PATH}`,
});

export type House = Places & { names: VerifiedNames };

/**
 * One check per member; the library calls the one of each member it names in `members`, in their order, before its own checks.
 * Members of ours come from the database alone: a request that sets them is overruled.
 */
const checks: Record<string, (metadata: Metadata, circumstances: Circumstances) => void> = {
  // First, because what it says stands in the request's place. One that nobody judged is no statement: see client-judgement.ts.
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
  // Kept with the client, so that it does not outgrow by an update what it was made with.
  registration_limits(metadata, { limits }) {
    if (limits) metadata['registration_limits'] = limits;
    else delete metadata['registration_limits'];
  },
  // A scheme of its own makes a client native, even one that said web. Loopback addresses do where it said nothing and has no secret (RFC 8252).
  application_type(metadata, { request }) {
    const uris = metadata.redirect_uris;
    const said = request['application_type'] !== undefined && !(Array.isArray(uris) && uris.some(hasAppScheme));
    if (!said && isNativeByAddress(uris, metadata.token_endpoint_auth_method === 'none')) metadata.application_type = 'native';
  },
  // Our own page to try a client is as safe as this server is: over http, on a developer's own machine, too. No other address of ours is meant.
  redirect_uris: (metadata, circumstances) => judgeUris(metadata, 'redirect_uris', circumstances),
  post_logout_redirect_uris: (metadata, circumstances) => judgeUris(metadata, 'post_logout_redirect_uris', circumstances),
  grant_types(metadata, { client, limits, request, maker }) {
    // An operator gives this grant together with services, and a client that has it repeats it (RFC 7592 section 2.2). Others that list all
    // that the server's metadata names go without it.
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
    // Said nothing of scopes: as many as there may be (RFC 7591 section 2).
    metadata.scope ??= limits.scopes.join(' ');
    if (
      String(metadata.scope)
        .split(' ')
        .some((scope) => !limits.scopes.includes(scope))
    )
      throw new errors.InvalidClientMetadata(`scope can only contain ${limits.scopes.join(', ')}`);
  },
  ...OWN_MEMBERS,
  client_name: (metadata, circumstances) => judgeName(metadata, 'client_name', circumstances),
  // What a developer calls a piece of software and its versions (RFC 7591 section 2): for operators to see, and to nobody's proof.
  software_id: (metadata) => judgeLabel(metadata, 'software_id'),
  software_version: (metadata) => judgeLabel(metadata, 'software_version'),
  client_uri: (metadata, { house }) => judgePage(metadata, 'client_uri', house),
  logo_uri: (metadata, { house }) => judgePage(metadata, 'logo_uri', house),
  policy_uri: (metadata, { house }) => judgePage(metadata, 'policy_uri', house),
  tos_uri: (metadata, { house }) => judgePage(metadata, 'tos_uri', house),
  initiate_login_uri: (metadata) => judgeAddress(metadata, 'initiate_login_uri'),
  jwks(metadata) {
    const keys = (metadata.jwks as { keys?: unknown } | undefined)?.keys;
    if (Array.isArray(keys) && keys.length > MAX_KEYS)
      throw new errors.InvalidClientMetadata(`jwks must not have more than ${MAX_KEYS} keys`);
  },
  jwks_uri: (metadata) => judgeAddress(metadata, 'jwks_uri'),
  sector_identifier_uri: (metadata) => judgeAddress(metadata, 'sector_identifier_uri'),
  // In each language, judged like the plain ones; those the library judges (RFC 7591 section 2.2).
  ...Object.fromEntries(
    LOCALIZED.flatMap((member) =>
      localizedMembers(member).map((name) => [
        name,
        (metadata: Metadata, circumstances: Circumstances) => {
          judgeText(metadata, name);
          if (member === 'client_name') judgeName(metadata, name, circumstances);
          else judgePage(metadata, name, circumstances.house);
        },
      ]),
    ),
  ),
};

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** Its grant types; the library adds one to those of a client that takes codes. */
function grantsOf({ grant_types: grants, response_types: responses }: Metadata): unknown[] {
  const takesCodes = !Array.isArray(responses) || responses.includes('code');
  return [...listOf(grants), ...(takesCodes ? ['authorization_code'] : [])];
}

function judgeName(metadata: Metadata, member: string, { client, house }: Circumstances): void {
  const name = metadata[member];
  if (typeof name !== 'string') return;
  // A client keeps the name that it has, even if another was verified since, or the rules for characters changed.
  if (client && name === (member === 'client_name' ? client.clientName : client[member])) return;
  judgeCharacters(name, member);
  const taken = house.names.takenBy(name, client?.clientId);
  if (!taken) return;
  throw new NameTaken(member, 'own' in taken ? null : taken.name);
}

/** A name that people could take for another. It is on the wire what every other fault is; pages have a sentence of their own for it. */
export class NameTaken extends errors.InvalidClientMetadata {
  readonly like: string | null;

  /** @param like the other name; null for this server's own. */
  constructor(member: string, like: string | null) {
    const whose = like === null ? "this server's own name" : `the name ${toldName(like)} of a client whose publisher is verified`;
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

// A description is ASCII (RFC 7591 section 3.2.2): other characters as JSON writes them.
const toldName = (name: string) =>
  JSON.stringify(name).replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

function judgeLabel(metadata: Metadata, member: string): void {
  const label = metadata[member];
  if (label === undefined) return;
  judgeText(metadata, member);
  judgeCharacters(String(label), member);
}

/** Where people are led, or a picture would be taken from. What is no text at all the library refuses. */
function judgePage(metadata: Metadata, member: string, { loopbackPages }: House): void {
  judgeAddress(metadata, member, loopbackPages);
}

function judgeAddress(metadata: Metadata, member: string, loopback = false): void {
  const address = metadata[member];
  const problem = typeof address === 'string' && address ? webLinkProblem(address, loopback) : undefined;
  if (problem) throw new errors.InvalidClientMetadata(`${member} ${problem}`);
}

type UriList = 'redirect_uris' | 'post_logout_redirect_uris';

/** An http address on a private network is an operator's to register. A client that has one keeps it when it changes something else. */
function judgeUris(metadata: Metadata, member: UriList, { client, maker, house }: Circumstances): void {
  if (metadata[member] === undefined) return;
  const held = listOf(member === 'redirect_uris' ? client?.redirectUris : client?.postLogoutRedirectUris);
  const problem = redirectUrisProblem(member, metadata[member], {
    own: house.own,
    tryCallback: member === 'redirect_uris' ? house.tryCallback : undefined,
    privateHttp: (uri) => maker === 'operator' || held.includes(uri),
    held: (uri) => held.includes(uri),
  });
  // By its first word the library knows a redirect URI, for which RFC 7591 section 3.2.2 has a code of its own.
  if (problem) throw new errors.InvalidClientMetadata(problem);
}

/** The policy as the library takes it, for one server. */
export function createRegistrationPolicy(house: House) {
  return {
    properties: Object.keys(checks),
    /** @param ctx absent when a stored client is read back: what is stored was judged when it came. */
    validator(ctx: KoaContextWithOIDC | undefined, member: string, _value: unknown, metadata: ClientMetadata): void {
      if (!ctx) return;
      const { body, client, entities } = ctx.oidc;
      // No request has it: see client-judgement.ts.
      const maker = (ctx.oidc as { maker?: Maker }).maker ?? 'client';
      const token = entities['InitialAccessToken'] as { limits?: RegistrationLimits } | undefined;
      const limits = client ? (client['registration_limits'] as RegistrationLimits | undefined) : token?.limits;
      const request = (body ?? {}) as Record<string, unknown>;
      checks[member]?.(metadata as Metadata, { request, client, maker, limits, statement: judgedStatement(ctx), house });
    },
  };
}
