import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Environment, schema } from './config-schema.ts';
import { isLoopback, type RequestKind } from './config-values.ts';
import { isPooled } from './database-address.ts';

/** All problems of the environment in one message, so that the operator can fix them at once. */
export class ConfigError extends Error {
  readonly problems: string[];

  constructor(problems: string[]) {
    super(
      `the configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n${problems.map((p) => `  - ${p}`).join('\n')}`,
    );
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

export type Config = {
  environment: 'development' | 'production' | 'test';
  port: number;
  host: string;
  /** Port of the listener for administration (pages and API); undefined when administration shares the main listener. */
  adminPort: number | undefined;
  adminHost: string;
  /** The origin of the administration pages; undefined without `adminPort`. */
  adminOrigin: string | undefined;
  /** Number of processes that serve the port. */
  workers: number;
  /** After SIGTERM, how long the listener and idle connections stay open while /readyz answers 503, so that every balancer notices. */
  drainSeconds: number;
  /** The issuer identifier, and the origin of every absolute URL that the server writes. */
  issuer: string;
  databaseUrl: string;
  /** An address where a connection stays the same across transactions, which a pooler does not guarantee. Defaults to `databaseUrl`. */
  databaseDirectUrl: string;
  /** How long a starting server waits for a database that does not answer. */
  databaseWaitSeconds: number;
  dataDir: string;
  logLevel: string;
  /** Addresses and CIDR ranges whose X-Forwarded-For the server trusts; empty when TRUST_PROXY is `none` or not set. */
  trustedProxies: string[];
  /** The mail relay; undefined in development only, where developers read mail at /dev/mail. */
  smtpUrl: string | undefined;
  /** The sender of every mail. */
  mailFrom: string;
  /** Who may use the registration endpoint: anyone, holders of an initial access token, or nobody. */
  registration: 'open' | 'token' | 'closed';
  /** Registrations an hour from one network, unless `registrationNetworks` lists that network. */
  registrationLimit: number;
  /** Networks (address or CIDR) with a limit of their own, such as a hosted agent with many users. */
  registrationNetworks: { network: string; most: number }[];
  /**
   * Networks of the operator that the server may reach over https at addresses that clients name. All other internal addresses are blocked.
   */
  outgoingAllow: { network: string; port: number }[];
  /** Requests a minute of one client from one network, by kind of request. */
  requestLimits: Record<RequestKind, number>;
  /**
   * Which requests must use PKCE besides those of clients that always must (oauth/requests/pkce-policy.ts). `public`: no others; `nonce`:
   * each request without `openid` and a nonce; `all`: each request.
   */
  pkce: 'public' | 'nonce' | 'all';
  /** The operator's terms, which users accept at sign-up; undefined when there are none. */
  termsUrl: string | undefined;
  /** Where users find help: a page, or a mailbox as `mailto:`. */
  supportUrl: string | undefined;
  /** The operator's privacy policy. */
  privacyUrl: string | undefined;
  /** How long a new key in one of the lists below waits before the server writes with it. Every node must get it first. */
  keyDelayMinutes: number;
  /** Age at which a signing key gets a successor; 0 means that only the operator rotates keys. */
  signingKeyDays: number;
  /** Sign cookies and CSRF tokens; newest first. */
  cookieKeys: string[];
  /** 32 bytes each, newest first. */
  dataEncryptionKeys: Uint8Array[];
};

/**
 * Reads the environment once, and is the only reader. Each variable may come as NAME_FILE instead. In development it creates missing
 * secrets once, in DATA_DIR.
 * @throws ConfigError that lists every problem found.
 */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const env = parseEnvironment(environment);
  const secrets = env.COOKIE_KEYS && env.DATA_ENCRYPTION_KEYS ? undefined : developmentSecrets(env.DATA_DIR);
  return {
    ...settled(env),
    cookieKeys: env.COOKIE_KEYS ?? [secrets?.cookieKey as string],
    dataEncryptionKeys: (env.DATA_ENCRYPTION_KEYS ?? [secrets?.dataEncryptionKey as string]).map(
      (key) => new Uint8Array(Buffer.from(key, 'base64url')),
    ),
  };
}

/** @returns the parsed environment. Creates no secrets. @throws ConfigError that lists every problem found. */
export function parseEnvironment(environment: NodeJS.ProcessEnv = process.env): Environment {
  const { values, problems } = withFiles(environment);
  const parsed = schema.safeParse(values);
  if (!parsed.success) problems.push(...parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`));
  if (parsed.data?.ADMIN_PORT && parsed.data.ADMIN_PORT === parsed.data.PORT) problems.push('ADMIN_PORT must be another than PORT');
  if (parsed.data) problems.push(...misplacedAdmin(parsed.data), ...misplacedPooler(parsed.data));
  problems.push(...(values['NODE_ENV'] === 'production' ? missingInProduction(values) : publicInDevelopment(values)));
  if (!parsed.success || problems.length) throw new ConfigError(problems);
  return parsed.data;
}

/** The administration pages need an origin of their own, to which the browser sends no cookie of the issuer. */
function misplacedAdmin({ ADMIN_ORIGIN: origin, ADMIN_PORT: port, ISSUER: issuer, PORT }: Environment): string[] {
  if (port === undefined) return origin === undefined ? [] : ['ADMIN_ORIGIN needs ADMIN_PORT, on which administration answers'];
  const [theirs, ours] = [origin ?? `http://localhost:${port}`, issuer ?? `http://localhost:${PORT}`];
  return theirs === ours && port !== PORT ? ['ADMIN_ORIGIN must be another than ISSUER'] : [];
}

/** LISTEN, VACUUM and migrations need a connection that does not change between transactions. */
function misplacedPooler({ DATABASE_URL: url, DATABASE_DIRECT_URL: direct }: Environment): string[] {
  if (direct !== undefined && isPooled(direct)) return ['DATABASE_DIRECT_URL must lead past the pooler: it has pgbouncer=true'];
  if (direct === undefined && isPooled(url))
    return ['DATABASE_DIRECT_URL is required where DATABASE_URL has pgbouncer=true: the address of the database past the pooler'];
  return [];
}

/** Applies the defaults to everything except the secrets. */
export function settled(env: Environment): Omit<Config, 'cookieKeys' | 'dataEncryptionKeys'> {
  const issuer = env.ISSUER ?? `http://localhost:${env.PORT}`;
  return {
    environment: env.NODE_ENV,
    port: env.PORT,
    host: env.HOST ?? (env.NODE_ENV === 'production' ? '0.0.0.0' : '127.0.0.1'),
    adminPort: env.ADMIN_PORT,
    adminHost: env.ADMIN_HOST,
    adminOrigin: env.ADMIN_ORIGIN ?? (env.ADMIN_PORT === undefined ? undefined : `http://localhost:${env.ADMIN_PORT}`),
    workers: env.WEB_CONCURRENCY,
    drainSeconds: env.DRAIN_SECONDS,
    issuer,
    databaseUrl: env.DATABASE_URL,
    databaseDirectUrl: env.DATABASE_DIRECT_URL ?? env.DATABASE_URL,
    databaseWaitSeconds: env.DATABASE_WAIT_SECONDS,
    dataDir: resolve(env.DATA_DIR),
    logLevel: env.LOG_LEVEL,
    trustedProxies: env.TRUST_PROXY,
    smtpUrl: env.SMTP_URL,
    mailFrom: env.MAIL_FROM ?? `Munjigi <no-reply@${new URL(issuer).hostname}>`,
    registration: env.REGISTRATION ?? (env.NODE_ENV === 'production' ? 'token' : 'open'),
    registrationLimit: env.REGISTRATION_LIMIT,
    registrationNetworks: env.REGISTRATION_NETWORKS,
    outgoingAllow: env.OUTGOING_ALLOW,
    requestLimits: env.REQUEST_LIMITS,
    pkce: env.PKCE,
    keyDelayMinutes: env.KEY_DELAY_MINUTES,
    signingKeyDays: env.SIGNING_KEY_DAYS,
    termsUrl: env.TERMS_URL,
    privacyUrl: env.PRIVACY_URL,
    supportUrl: env.SUPPORT_URL,
  };
}

/** @returns the address of the database past any pooler, for commands that need no other setting. @throws ConfigError */
export function readDatabaseUrl(environment: NodeJS.ProcessEnv = process.env): string {
  const { values, problems } = withFiles(environment);
  const name = values['DATABASE_DIRECT_URL'] === undefined ? 'DATABASE_URL' : 'DATABASE_DIRECT_URL';
  const parsed = schema.shape.DATABASE_URL.safeParse(values[name]);
  if (!parsed.success) problems.push(...parsed.error.issues.map((issue) => `${name} ${issue.message}`));
  if (!parsed.success || problems.length) throw new ConfigError(problems);
  return parsed.data;
}

/** NAME_FILE replaces NAME, because container platforms mount secrets as files. */
function withFiles(environment: NodeJS.ProcessEnv) {
  const values: Record<string, string> = {};
  const problems: string[] = [];
  for (const name of Object.keys(schema.shape)) {
    const [value, file] = [environment[name], environment[`${name}_FILE`]];
    if (value !== undefined && value !== '') values[name] = value;
    if (!file) continue;
    if (values[name] !== undefined) problems.push(`${name} and ${name}_FILE are both set: keep one`);
    else {
      try {
        values[name] = readFileSync(file, 'utf8').trim();
      } catch {
        problems.push(`${name}_FILE names ${file}, which cannot be read`);
      }
    }
  }
  return { values, problems };
}

function missingInProduction(values: Record<string, string>): string[] {
  const problems = ['ISSUER', 'SMTP_URL', 'COOKIE_KEYS', 'DATA_ENCRYPTION_KEYS']
    .filter((name) => values[name] === undefined)
    .map((name) => `${name} is required in production`);
  const issuer = values['ISSUER'];
  if (issuer?.startsWith('http://') && !isLoopback(issuer))
    problems.push('ISSUER must begin with https:// in production (RFC 8414 section 2)');
  // The server speaks plain HTTP, so a proxy ends TLS in front of it. If that proxy is not listed, all users have its address and share its
  // rate limits.
  if (issuer?.startsWith('https://') && values['TRUST_PROXY'] === undefined)
    problems.push(
      'TRUST_PROXY is required with an https ISSUER: list the addresses of the proxy that ends TLS, such as 10.0.0.0/8, or say none when it passes the client address on by itself',
    );
  return problems;
}

/** In development, anyone who reaches the server can read its mail, and so can sign in as any user. */
function publicInDevelopment({ ISSUER: issuer, DEVELOPMENT_IN_PUBLIC: aloud }: Record<string, string>): string[] {
  if (issuer === undefined || aloud === '1' || (issuer.startsWith('http://') && isLoopback(issuer))) return [];
  return [
    'ISSUER is an address that others reach, and NODE_ENV is not production: set NODE_ENV=production, or DEVELOPMENT_IN_PUBLIC=1 if nobody but you reaches it',
  ];
}

type Secrets = { cookieKey: string; dataEncryptionKey: string };

function developmentSecrets(dataDir: string): Secrets {
  const kept = keptSecrets(dataDir);
  if (kept) return kept;
  const secrets = { cookieKey: randomBytes(32).toString('base64url'), dataEncryptionKey: randomBytes(32).toString('base64url') };
  try {
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(secretsFile(dataDir), `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw new ConfigError([`DATA_DIR: ${dataDir} cannot be written to: ${(error as Error).message}`]);
  }
  return secrets;
}

const secretsFile = (dataDir: string) => join(dataDir, 'secrets.json');

/** @returns the secrets in DATA_DIR; undefined when none exist yet. @throws ConfigError */
export function keptSecrets(dataDir: string): Secrets | undefined {
  try {
    return JSON.parse(readFileSync(secretsFile(dataDir), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new ConfigError([`DATA_DIR: ${secretsFile(dataDir)} cannot be read: ${(error as Error).message}`]);
  }
}
