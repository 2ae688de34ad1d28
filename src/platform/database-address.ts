import { getCACertificates } from 'node:tls';
import type pg from 'pg';
import { type ConnectionOptions, parse, toClientConfig } from 'pg-connection-string';

/**
 * Owns what DATABASE_URL means: a URI as libpq has it, with several hosts, `target_session_attrs` and TLS. pg reads the URI of one host; here is
 * what it lacks. Which of the hosts is reached, database-hosts.ts decides.
 * @see PostgreSQL documentation, sections 32.1.1 (URIs), 32.1.2 (parameters) and 32.19 (TLS)
 */

const TARGETS = ['any', 'read-write', 'primary'] as const;
export type TargetSession = (typeof TARGETS)[number];

const TLS_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'];

/** @param ssl false once the server said that it has no TLS, which `sslmode=prefer` accepts. */
export type DatabaseHost = { host: string | undefined; port: number | undefined; ssl?: false };

export type DatabaseAddress = {
  /** In the order given. Without a name or port, pg's defaults hold. */
  hosts: DatabaseHost[];
  target: TargetSession;
  /** Whether a server without TLS is accepted too. */
  prefersTls: boolean;
  /** Whether a pooler stands between that gives each transaction another connection: no startup parameters, no named statements. */
  pooled: boolean;
  /** User, password, database, TLS and what else the URI says of a connection. */
  settings: pg.ClientConfig;
};

/** @throws Error with a sentence that begins with what is wrong, and holds no secret. */
export function readDatabaseAddress(url: string): DatabaseAddress {
  if (!/^postgres(ql)?:\/\//.test(url)) throw new Error('must begin with postgres:// or postgresql://');
  const { single, authority } = withOneHost(url);
  const query = new URLSearchParams(/\?([^#]*)/.exec(url)?.[1]);
  choice(query.get('sslmode'), 'sslmode', TLS_MODES);
  const [bare, system] = withoutSystemRoots(single);
  const parsed = system ? withSystemRoots(parsedAddress(bare)) : parsedAddress(bare);
  const hosts = hostsOf(authority ?? `${parsed.host ?? ''}`.split(','), `${parsed['port'] ?? ''}`.split(','), authority !== undefined);
  const target = choice(query.get('target_session_attrs'), 'target_session_attrs', TARGETS) ?? (hosts.length > 1 ? 'read-write' : 'any');
  const pooled = choice(query.get('pgbouncer'), 'pgbouncer', ['true', 'false']) === 'true';
  const prefersTls = parsed['sslmode'] === 'prefer';
  for (const ours of ['target_session_attrs', 'pgbouncer', 'host', 'port']) delete parsed[ours];
  return { hosts, target, prefersTls, pooled, settings: toClientConfig(parsed) };
}

/** pg reads one host alone. @returns the URI with the first, and all of them where there are several. */
function withOneHost(url: string): { single: string; authority?: string[] } {
  const [, before = '', list = '', after = ''] = /^(postgres(?:ql)?:\/\/(?:[^/?#]*@)?)([^/?#]*)(.*)$/s.exec(url) ?? [];
  return list.includes(',') ? { single: `${before}first.invalid${after}`, authority: list.split(',') } : { single: url };
}

function parsedAddress(url: string): ConnectionOptions {
  try {
    // Its own reading of sslmode is stricter than libpq's, and a warning goes with it.
    return parse(url, { useLibpqCompat: !/[?&]uselibpqcompat=/.test(url) });
  } catch (error) {
    const { code, path, message } = error as NodeJS.ErrnoException;
    if (path) throw new Error(`names the file ${path}, which cannot be read (${code})`);
    if (message.includes('verify-ca')) throw new Error('says sslmode=verify-ca, which needs sslrootcert=FILE');
    throw new Error('must be a URI, such as postgres://user:password@host:5432/name, with special characters percent-encoded');
  }
}

/** `sslrootcert=system` is no file. */
function withoutSystemRoots(url: string): [string, boolean] {
  const bare = url.replace(/([?&])sslrootcert=system(&|$)/, (_, first, next) => (next ? first : ''));
  return [bare, bare !== url];
}

/** The roots that the operating system trusts. They vouch for everybody's server, so the host's name is to be checked (libpq, sslrootcert). */
function withSystemRoots(parsed: ConnectionOptions): ConnectionOptions {
  const mode = parsed['sslmode'] ?? 'verify-full';
  if (mode !== 'verify-full') throw new Error('says sslrootcert=system, which needs sslmode=verify-full');
  const ssl = typeof parsed.ssl === 'object' ? parsed.ssl : {};
  return { ...parsed, sslmode: mode, ssl: { ...ssl, ca: getCACertificates('system') as unknown as string } };
}

function hostsOf(names: string[], ports: string[], together: boolean): DatabaseHost[] {
  const pairs = names.map((name, n) => {
    const inName = together ? /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(name) : ([name, name] as const);
    if (!inName) throw new Error('lists a host that cannot be read: give each as name:port, with commas between');
    const port = together ? (inName[2] ?? '') : (ports[ports.length === 1 ? 0 : n] ?? '');
    return { host: decodeURIComponent(inName[1] ?? '').replace(/^\[(.+)\]$/, '$1') || undefined, port: portOf(port) };
  });
  if (!together && ports.length > 1 && ports.length !== names.length) throw new Error('must have one port, or one for each host');
  return pairs;
}

function portOf(text: string): number | undefined {
  if (text === '') return undefined;
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535) throw new Error('has a port that is none: 1 to 65535');
  return port;
}

/** @throws Error for another value than those we know: a wish that is not fulfilled is not passed over in silence. */
function choice<Value extends string>(value: string | null, name: string, values: readonly Value[]): Value | undefined {
  if (value === null || values.includes(value as Value)) return (value ?? undefined) as Value | undefined;
  throw new Error(`has ${name} with a value that is not supported: use ${values.join(', ')}`);
}

/** @returns what is wrong with an address; undefined where nothing is. */
export function problemOf(url: string): string | undefined {
  try {
    readDatabaseAddress(url);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** @param url a right one. */
export const isPooled = (url: string): boolean => readDatabaseAddress(url).pooled;
