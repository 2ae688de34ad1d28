import { genericGrantRequest } from 'openid-client';
import { fetchForUpstream } from '../../platform/outgoing.ts';
import type { KeyRing } from '../../platform/secrets.ts';
import type { ProviderSettings, UpstreamProvider } from './providers.ts';
import { speaking } from './upstream.ts';
import { UpstreamError } from './upstream-error.ts';

/** Owns the check of a provider's metadata and of our settings, for an operator to run before users are sent there. */

/** @param kind `wrong`: users cannot sign in until it is fixed. `note`: the operator should know. */
export type Finding = { kind: 'ok' | 'note' | 'wrong'; says: string };

const ok = (says: string): Finding => ({ kind: 'ok', says });
const note = (says: string): Finding => ({ kind: 'note', says });
const wrong = (says: string): Finding => ({ kind: 'wrong', says });

const NO_CODE = 'none';

const PATIENCE_MS = 10_000;

type Metadata = Record<string, unknown>;

/**
 * Reads a provider's metadata and checks whether it accepts us as a client. Stores nothing here or there. @param redirectUri the redirect
 * URI registered there.
 */
export async function inspect(keyRing: KeyRing, provider: UpstreamProvider, redirectUri: string): Promise<Finding[]> {
  const { settings } = provider;
  const about = settings.issuer ? await discover(settings.issuer, settings) : { findings: endpointsOf(settings), metadata: undefined };
  if (about.findings.some(({ kind }) => kind === 'wrong')) return about.findings;
  const said = about.metadata ? [...promises(about.metadata, provider), await keys(about.metadata, settings)] : [];
  return [...about.findings, ...said, await knowsUs(keyRing, provider, redirectUri)];
}

async function discover(issuer: string, settings: ProviderSettings): Promise<{ findings: Finding[]; metadata?: Metadata }> {
  const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const answer = await read(address, settings);
  if ('problem' in answer) return { findings: [wrong(answer.problem)] };
  const metadata = answer.json;
  const called = metadata['issuer'];
  if (called !== issuer)
    return {
      findings: [wrong(typeof called === 'string' ? `it calls itself ${called}: use --issuer ${called}` : `${address} names no issuer`)],
    };
  return { findings: [ok(`it is ${issuer}, as ${address} says`), ...endpointsOf(settings, metadata)], metadata };
}

/** @returns which endpoints the provider has and which it lacks. */
function endpointsOf({ endpoints }: ProviderSettings, metadata?: Metadata): Finding[] {
  const at = (name: 'authorization' | 'token' | 'userinfo' | 'revocation') => metadata?.[`${name}_endpoint`] ?? endpoints?.[name];
  const needed = (['authorization', 'token'] as const).map((name) =>
    typeof at(name) === 'string' ? ok(`${name} at ${at(name)}`) : wrong(`it has no ${name} endpoint`),
  );
  return [
    ...needed,
    at('userinfo')
      ? ok(`details of people at ${at('userinfo')}`)
      : note('it has no userinfo endpoint: what its ID tokens say is all that is known'),
    at('revocation')
      ? ok(`revocation at ${at('revocation')}`)
      : note('it has no revocation endpoint: who unlinks has to take access back there, too'),
  ];
}

function promises(metadata: Metadata, { settings, services }: UpstreamProvider): Finding[] {
  const listed = (member: string) => (Array.isArray(metadata[member]) ? (metadata[member] as unknown[]).map(String) : undefined);
  const method = settings.clientAuthMethod === 'apple' ? 'client_secret_post' : settings.clientAuthMethod;
  const methods = listed('token_endpoint_auth_methods_supported') ?? ['client_secret_basic'];
  const scopes = listed('scopes_supported');
  const unlisted = [...settings.scopes, ...services.flatMap(({ upstreamScopes }) => upstreamScopes)].filter(
    (scope) => scopes && !scopes.includes(scope),
  );
  const challenges = listed('code_challenge_methods_supported');
  return [
    methods.includes(method) || method === 'none'
      ? ok(`it takes ${method}`)
      : wrong(`it does not take ${method}: use --auth with one of ${methods.join(', ')}`),
    ...(unlisted.length ? [note(`it does not list the scopes ${[...new Set(unlisted)].join(', ')}, of ${scopes?.join(', ')}`)] : []),
    ...(challenges && !challenges.includes('S256') ? [note('it does not list PKCE with S256, which it is sent nevertheless')] : []),
    metadata['authorization_response_iss_parameter_supported'] === true
      ? ok('its answers name it (RFC 9207)')
      : note('its answers do not name it (RFC 9207): that each provider has a redirect URI of its own keeps them apart'),
  ];
}

async function keys(metadata: Metadata, settings: ProviderSettings): Promise<Finding> {
  if (typeof metadata['jwks_uri'] !== 'string') return wrong('it has no jwks_uri: its ID tokens cannot be checked');
  const answer = await read(metadata['jwks_uri'], settings);
  if ('problem' in answer) return wrong(answer.problem);
  const found = Array.isArray(answer.json['keys']) ? answer.json['keys'].length : 0;
  return found
    ? ok(`${found === 1 ? '1 key' : `${found} keys`} at ${metadata['jwks_uri']}`)
    : wrong(`there are no keys at ${metadata['jwks_uri']}`);
}

/** Sends an invalid code. A provider that does not know the client answers so before it looks at the code (RFC 6749 section 5.2). */
async function knowsUs(keyRing: KeyRing, provider: UpstreamProvider, redirectUri: string): Promise<Finding> {
  const { clientId } = provider.settings;
  try {
    const madeUp = { code: NO_CODE, redirect_uri: redirectUri, code_verifier: 'x'.repeat(43) };
    await speaking(keyRing, provider, (config) => genericGrantRequest(config, 'authorization_code', madeUp));
    return wrong('it gave a token for a code that is none');
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    if (error.code === 'invalid_grant') return ok(`it knows us as ${clientId}`);
    if (error.code === 'invalid_client' || error.code === 'unauthorized_client')
      return wrong(
        `it does not let ${clientId} in (${error.code}): look at --client-id, --secret-file and --auth, and whether it has ${redirectUri}`,
      );
    if (error.kind === 'unavailable') return wrong(`its token endpoint does not answer: ${reason(error)}`);
    return note(`whether it knows us as ${clientId} cannot be told: it answered ${error.code ?? reason(error)}`);
  }
}

async function read(address: string, { privateNetwork }: ProviderSettings): Promise<{ json: Metadata } | { problem: string }> {
  if (!privateNetwork && !address.startsWith('https:'))
    return { problem: `${address} is not https: that is for your own network, with --private-network` };
  try {
    const answer = await fetchForUpstream({ privateNetwork, deadline: AbortSignal.timeout(PATIENCE_MS) })(address);
    if (answer.status !== 200)
      return { problem: `${address} answers ${answer.status}: without discovery, a provider takes --settings with its endpoints` };
    const json: unknown = await answer.json();
    return typeof json === 'object' && json !== null ? { json: json as Metadata } : { problem: `${address} has no JSON object` };
  } catch (error) {
    if (error instanceof SyntaxError) return { problem: `${address} has no JSON` };
    const why = reason(error);
    const hint =
      why === 'address refused' || (!privateNetwork && why === 'fetch failed')
        ? ', as an address of a private network is without --private-network'
        : '';
    return { problem: `${address} cannot be reached: ${why}${hint}` };
  }
}

/** @returns the message of the innermost cause. */
function reason(error: unknown): string {
  let at = error as Error & { cause?: unknown };
  while (at.cause instanceof Error) at = at.cause as typeof at;
  return at.message;
}
