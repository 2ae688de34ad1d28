/**
 * Owns the measured operations: the bytes of one request, what that request consumes, and how a successful answer looks.
 * The target of each is our requests a second, divided by those of the library in memory.
 */

/** How a server is spoken to: where its endpoints are, and as whom. Ours and the library's are the same. */
export type Dialect = {
  paths: { token: string; introspection: string; revocation: string; userinfo: string };
  /** Basic credentials of a client that gets tokens, and of one that may introspect them. */
  client: string;
  api: string;
  redirectUri: string;
  /** What a client credentials request asks for. */
  clientScope: string | undefined;
};

/** Tokens of one grant: what an exchange or a refresh answered. */
export type Pair = { access: string; refresh: string };

export type Operation = {
  target: number;
  /** What one request uses up; `user token` is one token for all requests. */
  uses: 'nothing' | 'user token' | 'code' | 'pair';
  /** Answers bring a pair, for operations that use one. */
  brings: boolean;
  request(dialect: Dialect, thing: { code: string; pair: Pair }): Buffer;
  /** Whether a 200 with this body did the work. */
  answers(body: Record<string, unknown>, text: string): boolean;
};

// RFC 7636 appendix B.
const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
export const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';

const bringsPair = (body: Record<string, unknown>) => !!body['access_token'] && !!body['refresh_token'];

export const OPERATIONS: Record<string, Operation> = {
  introspection: {
    target: 2.0,
    uses: 'user token',
    brings: false,
    request: ({ paths, api }, { pair }) => post(paths.introspection, { token: pair.access }, api),
    answers: (body) => body['active'] === true,
  },
  'client-credentials': {
    target: 0.6,
    uses: 'nothing',
    brings: false,
    request: ({ paths, client, clientScope }) => post(paths.token, { grant_type: 'client_credentials', scope: clientScope }, client),
    answers: (body) => !!body['access_token'],
  },
  userinfo: {
    target: 0.75,
    uses: 'user token',
    brings: false,
    request: ({ paths }, { pair }) => request('GET', paths.userinfo, `Bearer ${pair.access}`),
    answers: (body) => !!body['sub'] && !!body['name'],
  },
  'code-exchange': {
    target: 0.7,
    uses: 'code',
    brings: true,
    request: ({ paths, client, redirectUri }, { code }) =>
      post(paths.token, { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: redirectUri }, client),
    answers: bringsPair,
  },
  refresh: {
    target: 0.7,
    uses: 'pair',
    brings: true,
    request: ({ paths, client }, { pair }) => post(paths.token, { grant_type: 'refresh_token', refresh_token: pair.refresh }, client),
    answers: bringsPair,
  },
  revocation: {
    target: 0.55,
    uses: 'pair',
    brings: false,
    request: ({ paths, client }, { pair }) => post(paths.revocation, { token: pair.access }, client),
    answers: (_body, text) => !text.includes('error'),
  },
};

export function operationNamed(name: string): Operation {
  const operation = OPERATIONS[name];
  if (!operation) throw new Error(`no operation ${name}`);
  return operation;
}

/** @throws when an answer of 200 is not what the operation is for. */
export function checkAnswers(name: string, bodies: string[]): void {
  for (const text of bodies) {
    const body = text.startsWith('{') ? JSON.parse(text) : {};
    if (!operationNamed(name).answers(body, text)) throw new Error(`${name} answered 200 and ${text}`);
  }
}

// The host of the issuer. The server may listen on another port.
const HOST = 'localhost:3999';
export const ISSUER = `http://${HOST}`;

function post(path: string, form: Record<string, string | undefined>, authorization: string): Buffer {
  const fields = Object.entries(form).filter((field): field is [string, string] => field[1] !== undefined);
  return request('POST', path, authorization, new URLSearchParams(fields).toString());
}

/** A request as it goes over the wire; the headers are those that every HTTP client sends. */
function request(method: string, path: string, authorization: string, body?: string): Buffer {
  const headers = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${HOST}`,
    'Connection: keep-alive',
    'Accept: application/json',
    `Authorization: ${authorization}`,
    ...(body === undefined ? [] : ['Content-Type: application/x-www-form-urlencoded', `Content-Length: ${Buffer.byteLength(body)}`]),
  ];
  return Buffer.from(`${headers.join('\r\n')}\r\n\r\n${body ?? ''}`);
}
