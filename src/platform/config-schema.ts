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
  reachable,
  readOpenings,
  readQuotas,
  readRequestLimits,
  SENDER,
  support,
} from './config-values.ts';

/** Owns the list of environment variables and what is valid for each. config.ts checks them together. */

export const schema = z.object({
  NODE_ENV: z.enum(['development', 'production', 'test'], 'must be development, production or test').default('development'),
  PORT: count('a port number', 0, 65_535).default(3000),
  WEB_CONCURRENCY: count('a number of processes', 1, 64).default(1),
  DRAIN_SECONDS: count('a number of seconds', 0, 300).default(3),
  HOST: z.string().min(1, 'must be an address to listen on, such as 127.0.0.1').optional(),
  ADMIN_PORT: count('a port number', 0, 65_535).optional(),
  ADMIN_HOST: z.string().min(1, 'must be an address to listen on, such as 127.0.0.1').default('127.0.0.1'),
  ADMIN_ORIGIN: z
    .string()
    .refine(isOrigin, 'must be an origin without a path or trailing slash, such as https://admin.example.com')
    .refine(
      (value) => !isOrigin(value) || value.startsWith('https://') || isLoopback(value),
      'must begin with https://, or be on localhost',
    )
    .optional(),
  ISSUER: z.string().refine(isOrigin, 'must be an origin without a path or trailing slash, such as https://auth.example.com').optional(),
  DATABASE_URL: z
    .string('is required, such as postgres://user:password@host:5432/name (npm start brings a database of its own when it is unset)')
    .superRefine(reachable),
  DATABASE_DIRECT_URL: z.string().superRefine(reachable).optional(),
  DATABASE_WAIT_SECONDS: count('a number of seconds', 0, 3_600).default(60),
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
  OUTGOING_ALLOW: z
    .string()
    .default('')
    .refine(
      (value) => readOpenings(value) !== undefined,
      'must list networks of yours, each with a port, such as 10.1.0.0/16=443,10.1.2.3=8443,fd00::/8=443',
    )
    .transform((value) => readOpenings(value) ?? []),
  REQUEST_LIMITS: z
    .string()
    .default('')
    .refine(
      (value) => readRequestLimits(value) !== undefined,
      `must list kinds of requests (authorize, par, device, token), each with how many a minute (1 to ${LARGEST_LIMIT}), such as authorize=600,token=2000`,
    )
    .transform((value) => readRequestLimits(value) as Record<RequestKind, number>),
  PKCE: z.enum(['public', 'nonce', 'all'], 'must be public, nonce or all').default('public'),
  TERMS_URL: page,
  PRIVACY_URL: page,
  SUPPORT_URL: support,
  COOKIE_KEYS: z
    .string()
    .transform(commaList)
    .refine((keys) => keys.length > 0 && keys.every((key) => key.length >= 32), 'must list keys of 32 characters or more, newest first')
    .optional(),
  KEY_DELAY_MINUTES: count('a number of minutes', 0, 10_080).default(60),
  SIGNING_KEY_DAYS: count('a number of days', 0, 3_650).default(90),
  DATA_ENCRYPTION_KEYS: z
    .string()
    .transform(commaList)
    .refine(
      (keys) => keys.length > 0 && keys.every((key) => Buffer.from(key, 'base64url').length === 32),
      'must list keys of 32 bytes in base64url, newest first (openssl rand -base64 32)',
    )
    .optional(),
});

export type Environment = z.infer<typeof schema>;
