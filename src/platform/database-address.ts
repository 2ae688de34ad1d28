import { getCACertificates } from 'node:tls';
import type pg from 'pg';
import { type ConnectionOptions, parse, toClientConfig } from 'pg-connection-string';

/**
 * Owns the meaning of DATABASE_URL: a libpq URI with several hosts, `target_session_attrs` and TLS. This file adds what pg lacks, which
 * parses the URI of one host. Does not choose the host to connect to: see database-hosts.ts. @see PostgreSQL documentation, sections 32.1.1
 * (URIs), 32.1.2 (parameters) and 32.19 (TLS)
 */

const TARGETS = ['any', 'read-write', 'primary'] as const;
export type TargetSession = (typeof TARGETS)[number];

const TLS_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'];

/** `ssl` is false after the server said that it has no TLS, which `sslmode=prefer` accepts. */
export type DatabaseHost = { host: string | undefined; port: number | undefined; ssl?: false };

export type DatabaseAddress = {
  /** In the order given. Without a name or port, pg's defaults apply. */
  hosts: DatabaseHost[];
  target: TargetSession;
  /** Whether a server without TLS is accepted too. */
  prefersTls: boolean;
  /** Whether a pooler gives each transaction another connection. Then startup parameters and named statements do not work. */
  pooled: boolean;
  /** User, password, database, TLS and the other connection settings of the URI. */
  settings: pg.ClientConfig;
};

/** @throws Error whose message says what is wrong, to follow the variable's name. It contains no secret. */
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

/** pg parses a single host. @returns the URI with one host, and the list of all hosts if there are several. */
function withOneHost(url: string): { single: string; authority?: string[] } {
  const [, before = '', list = '', after = ''] = /^(postgres(?:ql)?:\/\/(?:[^/?#]*@)?)([^/?#]*)(.*)$/s.exec(url) ?? [];
  return list.includes(',') ? { single: `${before}first.invalid${after}`, authority: list.split(',') } : { single: url };
}

function parsedAddress(url: string): ConnectionOptions {
  try {
    // pg's own reading of sslmode is stricter than libpq's, and pg prints a warning with it.
    return parse(url, { useLibpqCompat: !/[?&]uselibpqcompat=/.test(url) });
  } catch (error) {
    const { code, path, message } = error as NodeJS.ErrnoException;
    if (path) throw new Error(`names the file ${path}, which cannot be read (${code})`);
    if (message.includes('verify-ca')) throw new Error('says sslmode=verify-ca, which needs sslrootcert=FILE');
    throw new Error('must be a URI, such as postgres://user:password@host:5432/name, with special characters percent-encoded');
  }
}

/** `sslrootcert=system` names no file, so pg must not read it. */
function withoutSystemRoots(url: string): [string, boolean] {
  const bare = url.replace(/([?&])sslrootcert=system(&|$)/, (_, first, next) => (next ? first : ''));
  return [bare, bare !== url];
}

/**
 * Uses the root certificates of the operating system. These vouch for any server, so the host name must be verified too (libpq,
 * sslrootcert).
 */
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

/** @throws Error for an unknown value, so that the server never ignores a setting silently. */
function choice<Value extends string>(value: string | null, name: string, values: readonly Value[]): Value | undefined {
  if (value === null || values.includes(value as Value)) return (value ?? undefined) as Value | undefined;
  throw new Error(`has ${name} with a value that is not supported: use ${values.join(', ')}`);
}

/** @returns what is wrong with a URL; undefined when it is valid. */
export function problemOf(url: string): string | undefined {
  try {
    readDatabaseAddress(url);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** @param url a valid one. */
export const isPooled = (url: string): boolean => readDatabaseAddress(url).pooled;
