import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JWTPayload, errors as joseErrors, jwtVerify } from 'jose';
import type { Context, Next } from 'koa';
import { errors, type Provider } from 'oidc-provider';
import { readBody, replaceBody } from '../../http/form.ts';
import type { Config } from '../../platform/config.ts';
import { type Database, isStorable } from '../../platform/database.ts';
import { objectIn } from './accepted-requests.ts';
import { findSoftwareIssuer } from './software-issuers.ts';

/**
 * Owns the validation of software statements at the registration endpoint (RFC 7591 sections 2.3 and 3.1.1). A statement is a JWT in which
 * a trusted issuer describes a piece of software.
 * Its claims replace the request's members and are judged like them. They permit nothing beyond normal registration and verify no
 * publisher. The server fetches no keys: only those that an operator entered count.
 * The statement is validated before the library reads the request. registration-policy.ts refuses an invalid one later, once it is clear
 * that the client may register at all.
 */

const MAX_LENGTH = 8 * 1024;
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'];
const TOLERANCE_SECONDS = 60;

// Claims about the JWT itself, and members that no request may set.
const NOT_METADATA = new Set([
  ...['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'software_statement', '__proto__'],
  ...['client_id', 'client_secret', 'client_id_issued_at', 'client_secret_expires_at'],
  ...['registration_access_token', 'registration_client_uri'],
]);

/** Middleware around the registration endpoint: replaces the request's members with the claims of a valid statement. */
export function judgeSoftwareStatements(
  { provider, config, database }: { provider: Provider; config: Config; database: Database },
  registrationPath: string,
) {
  return async (ctx: Context, next: Next) => {
    if (!ctx.path.startsWith(registrationPath) || !['POST', 'PUT'].includes(ctx.method) || !ctx.is('application/json')) return next();
    const body = await readBody(ctx.req);
    const request = objectIn(body);
    const statement = request?.['software_statement'];
    // An empty or null member removes it (RFC 7592 section 2.2).
    const said = statement !== undefined && statement !== null && statement !== '';
    const known = said && ctx.method === 'PUT' ? await statementOf(provider, ctx.path.slice(registrationPath.length + 1)) : undefined;
    const { claims, ...judged }: Verdict = said ? await judge({ config, database }, statement, known) : {};
    if (said) ctx.state.softwareStatement = judged;
    replaceBody(ctx.req, claims ? Buffer.from(JSON.stringify({ ...request, ...metadataIn(claims) })) : body);
    await next();
  };
}

/** @returns the statement that a client registered with; undefined for an unknown client, or one without a statement. */
async function statementOf(provider: Provider, clientId: string): Promise<unknown> {
  return isStorable(clientId) ? (await provider.Client.find(clientId))?.['software_statement'] : undefined;
}

function metadataIn(claims: JWTPayload): Record<string, unknown> {
  return Object.fromEntries(Object.entries(claims).filter(([member]) => !NOT_METADATA.has(member)));
}

type Verdict = { claims?: JWTPayload; problem?: errors.OIDCProviderError };

const invalid = (why: string): Verdict => ({ problem: new errors.InvalidSoftwareStatement(`software_statement ${why}`) });
const unapproved = (why: string): Verdict => ({ problem: new errors.UnapprovedSoftwareStatement(`software_statement ${why}`) });

/**
 * Checks in order: the format, then the issuer, then the signature and the claims.
 * @param known the statement that the client registered with. If it is sent back unchanged (RFC 7592 section 2.2), it may have expired, or
 * its issuer may have changed its keys. The issuer must still be trusted.
 */
async function judge({ config, database }: { config: Config; database: Database }, statement: unknown, known: unknown): Promise<Verdict> {
  if (typeof statement !== 'string' || !/^[\w-]+\.[\w-]+\.[\w-]*$/.test(statement))
    return invalid('must be a signed JWT: a string of three parts with dots between them');
  if (statement.length > MAX_LENGTH) return invalid(`must have ${MAX_LENGTH} characters or fewer`);
  const read = readStatement(statement);
  if (!read || !isStorable(read.claims)) return invalid('is no JWT that can be read: its header and its claims must be JSON objects');
  if (!ALGORITHMS.includes(String(read.algorithm))) return invalid('must be signed with RS256, PS256, ES256 or EdDSA');
  const { iss } = read.claims;
  if (typeof iss !== 'string' || !iss) return invalid('must name its issuer, as iss');
  const issuer = await findSoftwareIssuer(database, iss);
  if (!issuer) return unapproved('is of an issuer that is not trusted here: register without it, or ask the operator to trust its issuer');
  if (statement === known) return { claims: read.claims };
  try {
    const options = { algorithms: ALGORITHMS, issuer: iss, clockTolerance: TOLERANCE_SECONDS };
    const { payload } = await jwtVerify(statement, createLocalJWKSet(issuer.jwks), options);
    return judgeClaims(payload, config);
  } catch (error) {
    return invalid(sentenceOf(error));
  }
}

function readStatement(statement: string): { algorithm: unknown; claims: JWTPayload } | undefined {
  try {
    return { algorithm: decodeProtectedHeader(statement).alg, claims: decodeJwt(statement) };
  } catch {
    return undefined;
  }
}

function judgeClaims(claims: JWTPayload, { issuer }: Config): Verdict {
  if (claims.iat !== undefined && claims.iat > Date.now() / 1000 + TOLERANCE_SECONDS) return invalid('says that it is of the future (iat)');
  // `aud` must name this server (RFC 7519 section 4.1.3). A statement without `aud` is for every server.
  if (claims.aud !== undefined && ![claims.aud].flat().includes(issuer))
    return unapproved(`is for another server: its aud must have ${issuer}, or be left out`);
  return { claims };
}

/** @returns the problem as a sentence that follows the member's name. It uses jose's codes, which are stable, unlike its messages. */
function sentenceOf(error: unknown): string {
  if (error instanceof joseErrors.JWTExpired) return 'has expired (exp): ask its issuer for another';
  if (error instanceof joseErrors.JWTClaimValidationFailed)
    return error.claim === 'nbf' ? 'is not valid yet (nbf)' : `has a wrong ${error.claim}: dates are numbers of seconds since 1970`;
  switch ((error as { code?: string }).code) {
    case 'ERR_JWKS_NO_MATCHING_KEY':
      return 'is signed by a key (kid, alg) that its issuer is not known by here';
    case 'ERR_JWKS_MULTIPLE_MATCHING_KEYS':
      return 'must say by which key of its issuer it is signed, as kid';
    case 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED':
      return 'is not signed by its issuer: the signature is wrong';
    default:
      return 'is no JWT that holds: header, claims or signature are malformed';
  }
}
