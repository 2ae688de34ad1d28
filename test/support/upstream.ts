import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { saveProvider } from '../../src/features/federation/providers.ts';
import { KeyRing, randomSecret } from '../../src/platform/secrets.ts';
import type { TestServer } from './environment.ts';
import { eventually } from './eventually.ts';
import { knownScopes } from './known-scopes.ts';

/**
 * A provider that does as a test says: OpenID Connect, or plain OAuth 2.0 without it. It asks nobody anything: whoever is sent to its
 * authorization endpoint is `person`, and says yes. How it lies, fails and dawdles is in `wishes`.
 *
 *     const upstream = await startUpstream();
 *     await addProvider(server, upstream, { id: 'far' });
 *     after(() => upstream.close());
 */
export type TestUpstream = {
  issuer: string;
  kind: 'oidc' | 'oauth2';
  /** Who signs in there. */
  person: Record<string, unknown> & { sub: string };
  /** Set a member to have it so, delete it to be honest again. */
  wishes: Wishes;
  /** Requests by path, in the order they came. */
  asked: { path: string; method: string; parameters: URLSearchParams; headers: IncomingMessage['headers'] }[];
  /** Whether a token that it issued is alive. */
  isAlive(token: string): boolean;
  /** Ends every token that it issued, as when the person takes access back there. */
  revokeAll(): void;
  /** Stops answering, and begins again at the same address. */
  stop(): Promise<void>;
  resume(): Promise<void>;
  close(): Promise<void>;
};

type Answer = { status?: number; type?: string; body: string };

type Wishes = {
  /** Claims put over those of the ID token. */
  idToken?: Record<string, unknown>;
  /** The ID token is signed by a key that nobody published. */
  wrongSignature?: boolean;
  /** Parameters put over those that the browser brings back; undefined leaves one out. */
  callback?: Record<string, string | undefined>;
  /** It asks on a page of its own, whose form may lead to our callback and nowhere else, as some providers' do. */
  asks?: boolean;
  /** It sends the browser back by a form, with `response_mode=form_post` or without. */
  postsBack?: boolean;
  /** The person says no, or something else goes wrong: the error that the browser brings back. */
  denies?: string;
  /** What the token endpoint, or userinfo, answers instead. */
  token?: Answer;
  userinfo?: Answer;
  discovery?: Answer;
  jwks?: Answer;
  revocation?: Answer;
  /** Milliseconds that each answer takes, at the paths named, or at all. */
  slowMs?: number;
  slowAt?: string;
  /** Seconds for which access tokens are said to live. */
  expiresIn?: number;
  /** What is granted instead of what was asked for. */
  scope?: string;
  noRefreshToken?: boolean;
  /** A refresh token stays the same when it is used. */
  keepsRefreshToken?: boolean;
};

export const UPSTREAM_CLIENT = { id: 'munjigi', secret: 'upstream-secret' };

export async function startUpstream(kind: TestUpstream['kind'] = 'oidc'): Promise<TestUpstream> {
  const [key, stranger] = await Promise.all([generateKeyPair('ES256'), generateKeyPair('ES256')]);
  const jwks = { keys: [{ ...(await exportJWK(key.publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }] };
  const codes = new Map<string, { parameters: URLSearchParams; sub: string }>();
  const access = new Map<string, { scope: string; sub: string }>();
  const refresh = new Map<string, { scope: string; sub: string }>();
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
  await listen(0);
  const { port } = server.address() as AddressInfo;

  const upstream: TestUpstream = {
    issuer: `http://localhost:${port}`,
    kind,
    person: { sub: 'far-1', email: 'traveller@far.example', email_verified: true, name: '여행자', preferred_username: 'traveller' },
    wishes: {},
    asked: [],
    isAlive: (token) => access.has(token) || refresh.has(token),
    revokeAll() {
      access.clear();
      refresh.clear();
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
    resume: () => listen(port),
    async close() {
      if (!server.listening) return;
      await this.stop();
    },
  };
  return upstream;

  async function listen(at: number): Promise<void> {
    server.listen(at, 'localhost');
    await once(server, 'listening');
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', upstream.issuer);
    let body = '';
    for await (const chunk of request) body += chunk;
    const parameters = request.method === 'POST' ? new URLSearchParams(body) : url.searchParams;
    const path = url.pathname;
    upstream.asked.push({ path, method: String(request.method), parameters, headers: request.headers });
    const { wishes } = upstream;
    if (wishes.slowMs && (!wishes.slowAt || wishes.slowAt === path)) await new Promise((done) => setTimeout(done, wishes.slowMs));
    switch (path) {
      case '/.well-known/openid-configuration':
        if (kind === 'oauth2') break;
        return send(response, wishes.discovery ?? json(metadata()));
      case '/jwks':
        return send(response, wishes.jwks ?? json(jwks));
      case '/authorize':
        if (wishes.asks && request.method === 'GET') return askOnPage(response, url);
        if (wishes.postsBack) return postBack(response, new URL(authorize(url.searchParams)));
        return void response.writeHead(302, { location: authorize(url.searchParams) }).end();
      case '/token':
        return send(response, wishes.token ?? (await token(parameters)));
      case '/userinfo':
        return send(response, wishes.userinfo ?? userinfo(request.headers.authorization));
      case '/revoke': {
        if (wishes.revocation) return send(response, wishes.revocation);
        const named = parameters.get('token') ?? '';
        access.delete(named);
        refresh.delete(named);
        return void response.writeHead(200).end();
      }
      // An API of its own: whose token it is.
      case '/notes':
        return send(
          response,
          access.has(bearer(request.headers.authorization)) ? json({ notes: ['one', 'two'] }) : json({ error: 'invalid_token' }, 401),
        );
    }
    response.writeHead(404).end();
  }

  function metadata() {
    const at = (path: string) => `${upstream.issuer}${path}`;
    return {
      issuer: upstream.issuer,
      authorization_endpoint: at('/authorize'),
      token_endpoint: at('/token'),
      userinfo_endpoint: at('/userinfo'),
      revocation_endpoint: at('/revoke'),
      jwks_uri: at('/jwks'),
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
      authorization_response_iss_parameter_supported: true,
    };
  }

  function authorize(parameters: URLSearchParams): string {
    const back = new URL(String(parameters.get('redirect_uri')));
    const code = randomSecret();
    codes.set(code, { parameters, sub: upstream.person.sub });
    const { denies, callback } = upstream.wishes;
    const told: Record<string, string | undefined> = {
      ...(denies ? { error: denies } : { code }),
      state: parameters.get('state') ?? '',
      ...(kind === 'oidc' ? { iss: upstream.issuer } : undefined),
      ...callback,
    };
    for (const [name, value] of Object.entries(told)) if (value !== undefined) back.searchParams.set(name, value);
    return back.href;
  }

  function askOnPage(response: ServerResponse, url: URL): void {
    const { origin } = new URL(String(url.searchParams.get('redirect_uri')));
    response
      .writeHead(200, { 'content-type': 'text/html', 'content-security-policy': `form-action 'self' ${origin}` })
      .end(
        `<!doctype html><title>Far</title><form method="post" action="${url.search.replaceAll('&', '&amp;')}"><button>Yes</button></form>`,
      );
  }

  function postBack(response: ServerResponse, { origin, pathname, searchParams }: URL): void {
    const fields = [...searchParams].map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`).join('');
    response
      .writeHead(200, { 'content-type': 'text/html' })
      .end(`<!doctype html><title>Far</title><form method="post" action="${origin}${pathname}">${fields}<button>Yes</button></form>`);
  }

  async function token(parameters: URLSearchParams): Promise<Answer> {
    const { wishes } = upstream;
    const refused = json({ error: 'invalid_grant' }, 400);
    if (parameters.get('grant_type') === 'refresh_token') {
      const given = parameters.get('refresh_token') ?? '';
      const known = refresh.get(given);
      if (!known) return refused;
      if (!wishes.keepsRefreshToken) refresh.delete(given);
      return json(issue(known.scope, known.sub, wishes.keepsRefreshToken ? undefined : randomSecret()));
    }
    const begun = codes.get(parameters.get('code') ?? '');
    if (!begun) return refused;
    codes.delete(parameters.get('code') ?? '');
    const scope = begun.parameters.get('scope') ?? '';
    const issued = issue(wishes.scope ?? scope, begun.sub, wishes.noRefreshToken ? undefined : randomSecret());
    return json(kind === 'oidc' ? { ...issued, id_token: await idToken(begun.parameters, begun.sub) } : issued);
  }

  function issue(scope: string, sub: string, refreshToken: string | undefined) {
    const accessToken = randomSecret();
    access.set(accessToken, { scope, sub });
    if (refreshToken) refresh.set(refreshToken, { scope, sub });
    return {
      access_token: accessToken,
      token_type: 'Bearer',
      expires_in: upstream.wishes.expiresIn ?? 3_600,
      scope,
      ...(refreshToken ? { refresh_token: refreshToken } : undefined),
    };
  }

  function idToken(parameters: URLSearchParams, sub: string): Promise<string> {
    const { idToken: lies, wrongSignature } = upstream.wishes;
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: upstream.issuer,
      aud: String(parameters.get('client_id')),
      iat: now,
      exp: now + 300,
      nonce: parameters.get('nonce') ?? undefined,
      sub,
      ...lies,
    };
    return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'one' }).sign((wrongSignature ? stranger : key).privateKey);
  }

  function userinfo(authorization: string | undefined): Answer {
    const known = access.get(bearer(authorization));
    return known ? json({ ...upstream.person, sub: known.sub }) : json({ error: 'invalid_token' }, 401);
  }
}

/** Makes a provider known to a server of ours; which scopes there are then, a node hears a moment later. */
export async function addProvider(
  server: TestServer,
  upstream: TestUpstream,
  {
    id = 'far',
    name = 'Far',
    services = [],
    ...settings
  }: { id?: string; name?: string; services?: string[] } & Record<string, unknown> = {},
): Promise<void> {
  const at = (path: string) => `${upstream.issuer}${path}`;
  await saveProvider(server.database, new KeyRing(server.config.dataEncryptionKeys), {
    id,
    name,
    settings: {
      ...(upstream.kind === 'oidc'
        ? { issuer: upstream.issuer, scopes: ['openid', 'email', 'profile'] }
        : {
            endpoints: { authorization: at('/authorize'), token: at('/token'), userinfo: at('/userinfo'), revocation: at('/revoke') },
            scopes: ['whoami'],
          }),
      clientId: UPSTREAM_CLIENT.id,
      privateNetwork: true,
      ...settings,
    },
    credentials: UPSTREAM_CLIENT.secret,
    services: services.map((service) => ({
      name: service,
      upstreamScopes: [service],
      sensitive: true,
      title: { ko: `${service} 읽기`, en: `Read ${service}` },
    })),
  });
  const scopes = services.map((service) => `${id}:${service}`);
  await eventually('the node knows the services', async () => {
    return (await knownScopes(server, scopes)).length === scopes.length;
  });
}

const json = (body: unknown, status = 200): Answer => ({ status, body: JSON.stringify(body) });

function send(response: ServerResponse, { status = 200, type = 'application/json', body }: Answer): void {
  response.writeHead(status, { 'content-type': type }).end(body);
}

const bearer = (authorization: string | undefined) => (authorization ?? '').replace(/^Bearer /, '');
