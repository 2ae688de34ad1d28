import type { Language } from '../../http/language.ts';
import { epochSeconds } from '../../platform/clock.ts';
import type { Database } from '../../platform/database.ts';
import { DEFAULT_JWT_CHOICES, type JwtChoices } from '../clients/signing-algorithms.ts';
import { adminScopesInWords } from './admin-scopes.ts';

/**
 * Owns the APIs that tokens are issued for, and their scopes with a sentence in each language.
 * Scopes are stored centrally, so that any client can register with them.
 */

export type Scope = {
  name: string;
  /** False: the user always chooses, and no app can require it. */
  mayBeRequired: boolean;
  /** A request that names no scope gets it. */
  isDefault: boolean;
  /** The API's owner sets it. Only an app that an operator verified can require the scope. */
  sensitive: boolean;
  title: { ko: string; en: string };
  /** The upstream provider at which an app with this scope acts for the user. */
  provider?: { id: string; name: string };
};

/** Characters of an identifier. */
export const MAX_IDENTIFIER = 255;

export type ResourceServer = JwtChoices & {
  identifier: string;
  name: string;
  /** Its name in a language where it differs. */
  names?: { [language in Language]?: string };
  tokenFormat: 'opaque' | 'jwt';
  accessTokenTtlSeconds: number;
  /** Its scopes apply only to a request that names it by `resource`. */
  resourceRequired: boolean;
  scopes: Scope[];
  /** The account that manages it in the developer portal. Null for the server's own APIs, and after the owner was deleted. */
  ownerId: string | null;
  /** Seconds since 1970. An older token belonged to an earlier API with the same identifier. */
  registeredAt?: number;
};

const OWN = { ownerId: null, resourceRequired: false, ...DEFAULT_JWT_CHOICES };

const PLAIN = { mayBeRequired: true, isDefault: true, sensitive: false };
const SENSITIVE = { mayBeRequired: true, isDefault: false, sensitive: true };

/** The server's own API. A token requested without a resource indicator opens it. Its identifier is the issuer. */
const OWN_SCOPES: Scope[] = [
  {
    ...PLAIN,
    name: 'openid',
    title: { ko: '회원 식별 번호', en: 'Recognize you when you come back' },
  },
  { ...PLAIN, name: 'profile', title: { ko: '이름과 사용자 이름 보기', en: 'See your name and user name' } },
  { ...PLAIN, name: 'email', title: { ko: '이메일 주소 보기', en: 'See your email address' } },
  {
    ...PLAIN,
    name: 'offline_access',
    isDefault: false,
    title: { ko: '로그아웃한 뒤에도 계속 이용하기', en: 'Keep access after you sign out' },
  },
  { ...PLAIN, name: 'api', title: { ko: '내 데이터 읽기', en: 'Read your data' } },
  { ...SENSITIVE, name: 'restricted', title: { ko: '제한된 데이터까지 읽기', en: 'Read restricted data too' } },
];

const POST_SCOPES: Scope[] = [
  { ...PLAIN, name: 'posts:read', title: { ko: '글 읽기', en: 'Read posts' } },
  {
    ...PLAIN,
    name: 'posts:write',
    isDefault: false,
    title: { ko: '내 이름으로 글 쓰고 고치고 지우기', en: 'Write, change and delete posts in your name' },
  },
];

/** The identifier of the admin API. A client asks for its scopes by `resource`, and gets only those that an operator allowed. */
export const adminApi = (issuer: string): string => `${issuer}/admin/api`;

const SAMPLE_SCOPES = ['api', 'restricted'];

/** Whether an API, or a scope of the server's own API, only demonstrates this server. An installation offers none of them to developers. */
export const isSample = (issuer: string, identifier: string, scope?: string): boolean =>
  identifier === `${issuer}/api/posts` || (identifier === issuer && scope !== undefined && SAMPLE_SCOPES.includes(scope));

/** The APIs that this server itself serves. @param issuer origin of the server. */
export function ownResourceServers(issuer: string): ResourceServer[] {
  return [
    { ...OWN, identifier: issuer, name: 'Munjigi', tokenFormat: 'opaque', accessTokenTtlSeconds: 3_600, scopes: OWN_SCOPES },
    { ...OWN, identifier: `${issuer}/api/posts`, name: 'Posts', tokenFormat: 'jwt', accessTokenTtlSeconds: 600, scopes: POST_SCOPES },
    {
      ...OWN,
      identifier: adminApi(issuer),
      name: 'Admin',
      tokenFormat: 'opaque',
      accessTokenTtlSeconds: 600,
      scopes: adminScopesInWords(),
    },
  ];
}

/** Stores the server's own APIs. Does not change APIs that others registered. */
export async function saveResourceServers(database: Database, servers: readonly ResourceServer[]): Promise<void> {
  await database.prisma.$transaction(
    servers.flatMap(({ scopes, names: _none, ...server }) => [
      database.prisma.resourceServer.upsert({ where: { identifier: server.identifier }, create: server, update: server }),
      database.prisma.scope.deleteMany({ where: { resourceServerId: server.identifier, name: { notIn: scopes.map(({ name }) => name) } } }),
      ...scopes.map(({ title, ...scope }, position) => {
        const row = { ...scope, position, titleKo: title.ko, titleEn: title.en, resourceServerId: server.identifier };
        return database.prisma.scope.upsert({
          where: { resourceServerId_name: { resourceServerId: server.identifier, name: scope.name } },
          create: row,
          update: row,
        });
      }),
    ]),
  );
}

/** Resource servers with their scopes, in reading order. @param identifier of one resource server; without it, all. */
export async function listResourceServers(database: Database, identifier?: string): Promise<ResourceServer[]> {
  const rows = await database.prisma.resourceServer.findMany({
    ...(identifier === undefined ? undefined : { where: { identifier } }),
    include: { scopes: { orderBy: { position: 'asc' } } },
    orderBy: { identifier: 'asc' },
  });
  return rows.map(
    ({
      scopes,
      identifier,
      name,
      nameKo,
      nameEn,
      tokenFormat,
      accessTokenTtlSeconds,
      resourceRequired,
      ownerId,
      jwtAlgorithm,
      jwtType,
      createdAt,
    }) => ({
      identifier,
      name,
      names: { ...(nameKo && { ko: nameKo }), ...(nameEn && { en: nameEn }) },
      tokenFormat,
      accessTokenTtlSeconds,
      resourceRequired,
      ownerId,
      registeredAt: epochSeconds(createdAt),
      // The table has a check constraint on both.
      ...({ jwtAlgorithm, jwtType } as JwtChoices),
      scopes: scopes.map((scope) => ({
        name: scope.name,
        mayBeRequired: scope.mayBeRequired,
        isDefault: scope.isDefault ?? !scope.sensitive,
        sensitive: scope.sensitive,
        title: { ko: scope.titleKo, en: scope.titleEn },
      })),
    }),
  );
}
