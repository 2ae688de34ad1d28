import { keptSecrets, parseEnvironment, settled } from '../platform/config.ts';
import type { Environment } from '../platform/config-schema.ts';

/** Owns the report of the configuration for the operator: each value and its source. Of a secret it shows the source only. */

export type Setting = { name: string; value: string; from: string };

/** @returns the configuration as the server would read it. Creates no secrets. @throws ConfigError that lists every problem found. */
export function describeConfig(environment: NodeJS.ProcessEnv): Setting[] {
  const env = parseEnvironment(environment);
  const kept = env.COOKIE_KEYS && env.DATA_ENCRYPTION_KEYS ? undefined : keptSecrets(env.DATA_DIR);
  const inDataDir = kept ? 'made in DATA_DIR' : 'to be made in DATA_DIR';
  return Object.entries(valuesOf(env)).map(([name, value]) => {
    const isMade = value === undefined && MADE.has(name);
    return {
      name,
      value: value ?? (isMade ? hidden(1) : '-'),
      from: isMade ? inDataDir : sourceOf(environment, name),
    };
  });
}

const MADE = new Set(['COOKIE_KEYS', 'DATA_ENCRYPTION_KEYS']);

function valuesOf(env: Environment): Record<keyof Environment, string | undefined> {
  const config = settled(env);
  return {
    NODE_ENV: config.environment,
    ISSUER: config.issuer,
    HOST: config.host,
    PORT: String(config.port),
    ADMIN_HOST: config.adminHost,
    ADMIN_ORIGIN: config.adminOrigin,
    ADMIN_PORT: config.adminPort === undefined ? undefined : String(config.adminPort),
    WEB_CONCURRENCY: String(config.workers),
    DRAIN_SECONDS: String(config.drainSeconds),
    TRUST_PROXY: config.trustedProxies.join(',') || 'none',
    DEVELOPMENT_IN_PUBLIC: env.DEVELOPMENT_IN_PUBLIC,
    DATABASE_URL: withoutSecrets(config.databaseUrl),
    DATABASE_DIRECT_URL: env.DATABASE_DIRECT_URL && withoutSecrets(env.DATABASE_DIRECT_URL),
    DATABASE_WAIT_SECONDS: String(config.databaseWaitSeconds),
    DATA_DIR: config.dataDir,
    LOG_LEVEL: config.logLevel,
    SMTP_URL: config.smtpUrl && withoutSecrets(config.smtpUrl),
    MAIL_FROM: config.mailFrom,
    REGISTRATION: config.registration,
    REGISTRATION_LIMIT: String(config.registrationLimit),
    REGISTRATION_NETWORKS: config.registrationNetworks.map(({ network, most }) => `${network}=${most}`).join(',') || undefined,
    OUTGOING_ALLOW: config.outgoingAllow.map(({ network, port }) => `${network}=${port}`).join(',') || undefined,
    REQUEST_LIMITS: Object.entries(config.requestLimits)
      .map(([kind, most]) => `${kind}=${most}`)
      .join(','),
    PKCE: config.pkce,
    KEY_DELAY_MINUTES: String(config.keyDelayMinutes),
    SIGNING_KEY_DAYS: String(config.signingKeyDays),
    TERMS_URL: config.termsUrl,
    PRIVACY_URL: config.privacyUrl,
    SUPPORT_URL: config.supportUrl,
    COOKIE_KEYS: env.COOKIE_KEYS && hidden(env.COOKIE_KEYS.length),
    DATA_ENCRYPTION_KEYS: env.DATA_ENCRYPTION_KEYS && hidden(env.DATA_ENCRYPTION_KEYS.length),
  };
}

function sourceOf(environment: NodeJS.ProcessEnv, name: string): string {
  if (environment[name]) return 'environment';
  const file = environment[`${name}_FILE`];
  return file ? `file ${file}` : 'default';
}

const hidden = (keys: number) => `(${keys === 1 ? '1 key' : `${keys} keys`}, not shown)`;

/** @returns a URL without its password and without the values of its query, because Postgres also accepts a password there. */
function withoutSecrets(address: string): string {
  // The URL standard of browsers does not allow several hosts.
  const [, hosts = ''] = /^[a-z]+:\/\/(?:[^/?#]*@)?([^@/?#]*,[^@/?#]*)(?=[/?#]|$)/.exec(address) ?? [];
  const url = URL.parse(hosts ? address.replace(hosts, SEVERAL) : address);
  // A URL that cannot be parsed safely is not shown: its password may contain a character that ends the part before the host.
  if (!url || url.hash || /@/.test(url.pathname + url.search)) return '(not shown)';
  if (url.password) url.password = '***';
  const query = [...url.searchParams.keys()].map((name) => `${encodeURIComponent(name)}=***`).join('&');
  url.search = '';
  const shown = hosts ? url.href.replace(SEVERAL, hosts) : url.href;
  return query ? `${shown}?${query}` : shown;
}

const SEVERAL = 'several.invalid';
