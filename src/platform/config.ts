import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import {
  commaList,
  count,
  isLoopback,
  isOrigin,
  isRange,
  isRelay,
  LARGEST_LIMIT,
  page,
  type RequestKind,
  readQuotas,
  readRequestLimits,
  SENDER,
  support,
} from './config-values.ts';

/** Everything that is wrong with the environment, in one message: the operator mends it in one go. */
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

const schema = z.object({
  NODE_ENV: z.enum(['development', 'production', 'test'], 'must be development, production or test').default('development'),
  PORT: count('a port number', 0, 65_535).default(3000),
  WEB_CONCURRENCY: count('a number of processes', 1, 64).default(1),
  DRAIN_SECONDS: count('a number of seconds', 0, 300).default(3),
  HOST: z.string().min(1, 'must be an address to listen on, such as 127.0.0.1').optional(),
  ADMIN_PORT: count('a port number', 0, 65_535).optional(),
  ADMIN_HOST: z.string().min(1, 'must be an address to listen on, such as 127.0.0.1').default('127.0.0.1'),
  ISSUER: z.string().refine(isOrigin, 'must be an origin without a path or trailing slash, such as https://auth.example.com').optional(),
  DATABASE_URL: z
    .string('is required, such as postgres://user:password@host:5432/name (npm start brings a database of its own when it is unset)')
    .refine((value) => /^postgres(ql)?:\/\//.test(value), 'must begin with postgres:// or postgresql://'),
  DATA_DIR: z.string().min(1).default('.data'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'must be fatal, error, warn, info, debug, trace or silent')
    .default('info'),
  TRUST_PROXY: z
    .string()
    .default('none')
    .transform((value) => (value === 'none' ? [] : commaList(value)))
    .refine(
      (ranges) => ranges.every(isRange),
      'must list addresses or CIDR ranges of your proxies, such as 10.0.0.0/8,127.0.0.1, or be none',
    ),
  DEVELOPMENT_IN_PUBLIC: z.enum(['0', '1'], 'must be 1 or 0').default('0'),
  SMTP_URL: z
    .string()
    .refine(
      isRelay,
      'must be the address of your mail relay, such as smtps://user:password@mail.example.com or smtp://mail.example.com:587',
    )
    .optional(),
  MAIL_FROM: z.string().regex(SENDER, 'must be an address, such as no-reply@example.com or Example <no-reply@example.com>').optional(),
  REGISTRATION: z.enum(['open', 'token', 'closed'], 'must be open, token or closed').optional(),
  REGISTRATION_LIMIT: count('a number of registrations an hour,', 1, LARGEST_LIMIT).default(60),
  REGISTRATION_NETWORKS: z
    .string()
    .default('')
    .refine(
      (value) => readQuotas(value) !== undefined,
      `must list networks, each with its registrations an hour (1 to ${LARGEST_LIMIT}), such as 203.0.113.0/24=5000,2001:db8::/32=500`,
    )
    .transform((value) => readQuotas(value) ?? []),
  REQUEST_LIMITS: z
    .string()
    .default('')
    .refine(
      (value) => readRequestLimits(value) !== undefined,
      `must list kinds of requests (authorize, par, device, token), each with how many a minute (1 to ${LARGEST_LIMIT}), such as authorize=600,token=2000`,
    )
    .transform((value) => readRequestLimits(value) as Record<RequestKind, number>),
  PKCE: z.enum(['public', 'nonce', 'all'], 'must be public, nonce or all').default('public'),
  KEY_DELAY_MINUTES: count('a number of minutes', 0, 10_080).default(60),
  SIGNING_KEY_DAYS: count('a number of days', 0, 3_650).default(90),
  TERMS_URL: page,
  PRIVACY_URL: page,
  SUPPORT_URL: support,
  COOKIE_KEYS: z
    .string()
    .transform(commaList)
    .refine((keys) => keys.length > 0 && keys.every((key) => key.length >= 32), 'must list keys of 32 characters or more, newest first')
    .optional(),
  DATA_ENCRYPTION_KEYS: z
    .string()
    .transform(commaList)
    .refine(
      (keys) => keys.length > 0 && keys.every((key) => Buffer.from(key, 'base64url').length === 32),
      'must list keys of 32 bytes in base64url, newest first (openssl rand -base64 32)',
    )
    .optional(),
});

export type Config = {
  environment: 'development' | 'production' | 'test';
  port: number;
  host: string;
  /** Where the admin API alone listens; undefined where it has no listener of its own. */
  adminPort: number | undefined;
  adminHost: string;
  /** How many processes serve the port. */
  workers: number;
  /** After SIGTERM, how long the listener and idle connections stay while /readyz is 503: until every balancer has noticed. */
  drainSeconds: number;
  /** The issuer identifier and the origin of every absolute URL we write. */
  issuer: string;
  databaseUrl: string;
  dataDir: string;
  logLevel: string;
  /** Addresses and CIDR ranges whose X-Forwarded-For is believed; none where TRUST_PROXY is `none`, or not set. */
  trustedProxies: string[];
  /** The mail relay; undefined in development alone, where mail is read at /dev/mail. */
  smtpUrl: string | undefined;
  /** The sender of every mail. */
  mailFrom: string;
  /** Who may register clients at the registration endpoint: everybody, whoever holds an initial access token, nobody. */
  registration: 'open' | 'token' | 'closed';
  /** How many registrations an hour one network may ask for, where no entry of `registrationNetworks` has it. */
  registrationLimit: number;
  /** Networks (an address or CIDR) with a number of their own, such as that of a hosted agent which many users share. */
  registrationNetworks: { network: string; most: number }[];
  /** How many requests a minute one client may make from one network, by what is kept for them. */
  requestLimits: Record<RequestKind, number>;
  /**
   * Which requests must use PKCE beside those of clients that always must (authorization-server/pkce-policy.ts): `public` no others, `nonce` each
   * that has not `openid` and a nonce, `all` each.
   */
  pkce: 'public' | 'nonce' | 'all';
  /** The operator's terms, which people agree to at sign-up; undefined where there are none. */
  termsUrl: string | undefined;
  /** Where people find help: a page, or an address for mail as `mailto:`. */
  supportUrl: string | undefined;
  /** What the operator does with what is known of people. */
  privacyUrl: string | undefined;
  /** How long a new key in one of the two lists below waits before it writes, so that every node can have it. */
  keyDelayMinutes: number;
  /** How old a signing key becomes before its successor is made; 0 for as old as an operator lets it. */
  signingKeyDays: number;
  /** Sign cookies and CSRF tokens, newest first. */
  cookieKeys: string[];
  /** 32 bytes each, newest first. */
  dataEncryptionKeys: Uint8Array[];
};

/**
 * Reads the environment once: the only place that does. Each variable may come as NAME_FILE instead.
 * In development missing secrets are created once, in DATA_DIR.
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

export type Environment = z.infer<typeof schema>;

/** What the environment says, and nothing is made. @throws ConfigError that lists every problem found. */
export function parseEnvironment(environment: NodeJS.ProcessEnv = process.env): Environment {
  const { values, problems } = withFiles(environment);
  const parsed = schema.safeParse(values);
  if (!parsed.success) problems.push(...parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`));
  if (parsed.data?.ADMIN_PORT && parsed.data.ADMIN_PORT === parsed.data.PORT) problems.push('ADMIN_PORT must be another than PORT');
  problems.push(...(values['NODE_ENV'] === 'production' ? missingInProduction(values) : publicInDevelopment(values)));
  if (!parsed.success || problems.length) throw new ConfigError(problems);
  return parsed.data;
}

/** What holds where the environment does not say: all but the secrets. */
export function settled(env: Environment): Omit<Config, 'cookieKeys' | 'dataEncryptionKeys'> {
  const issuer = env.ISSUER ?? `http://localhost:${env.PORT}`;
  return {
    environment: env.NODE_ENV,
    port: env.PORT,
    host: env.HOST ?? (env.NODE_ENV === 'production' ? '0.0.0.0' : '127.0.0.1'),
    adminPort: env.ADMIN_PORT,
    adminHost: env.ADMIN_HOST,
    workers: env.WEB_CONCURRENCY,
    drainSeconds: env.DRAIN_SECONDS,
    issuer,
    databaseUrl: env.DATABASE_URL,
    dataDir: resolve(env.DATA_DIR),
    logLevel: env.LOG_LEVEL,
    trustedProxies: env.TRUST_PROXY,
    smtpUrl: env.SMTP_URL,
    mailFrom: env.MAIL_FROM ?? `Munjigi <no-reply@${new URL(issuer).hostname}>`,
    registration: env.REGISTRATION ?? (env.NODE_ENV === 'production' ? 'token' : 'open'),
    registrationLimit: env.REGISTRATION_LIMIT,
    registrationNetworks: env.REGISTRATION_NETWORKS,
    requestLimits: env.REQUEST_LIMITS,
    pkce: env.PKCE,
    keyDelayMinutes: env.KEY_DELAY_MINUTES,
    signingKeyDays: env.SIGNING_KEY_DAYS,
    termsUrl: env.TERMS_URL,
    privacyUrl: env.PRIVACY_URL,
    supportUrl: env.SUPPORT_URL,
  };
}

/** The address of the database alone, for commands that need nothing else. @throws ConfigError */
export function readDatabaseUrl(environment: NodeJS.ProcessEnv = process.env): string {
  const { values, problems } = withFiles(environment);
  const parsed = schema.shape.DATABASE_URL.safeParse(values['DATABASE_URL']);
  if (!parsed.success) problems.push(...parsed.error.issues.map((issue) => `DATABASE_URL ${issue.message}`));
  if (!parsed.success || problems.length) throw new ConfigError(problems);
  return parsed.data;
}

/** NAME_FILE stands in for NAME, as container platforms mount secrets. */
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
  // The server speaks plain HTTP, so something ends TLS in front of it. If that is not listed, all people have its address, and share its limits.
  if (issuer?.startsWith('https://') && values['TRUST_PROXY'] === undefined)
    problems.push(
      'TRUST_PROXY is required with an https ISSUER: list the addresses of the proxy that ends TLS, such as 10.0.0.0/8, or say none when it passes the client address on by itself',
    );
  return problems;
}

/** Whoever reaches a server in development reads its letters, and can sign in as anybody. */
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

/** The secrets that were made in DATA_DIR; undefined when none were yet. @throws ConfigError */
export function keptSecrets(dataDir: string): Secrets | undefined {
  try {
    return JSON.parse(readFileSync(secretsFile(dataDir), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new ConfigError([`DATA_DIR: ${secretsFile(dataDir)} cannot be read: ${(error as Error).message}`]);
  }
}
