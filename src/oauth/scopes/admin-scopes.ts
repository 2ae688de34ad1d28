import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import type { Scope } from './resource-servers.ts';

/** Owns the scopes of the admin API and their sentences. pages/permissions.ts decides who may use them. */

const IN_WORDS = {
  'admin:read': { ko: '사람, 앱, 접근 권한, 기록 모두 보기', en: 'See all people, apps, access and counts' },
  'admin:people': { ko: '사람을 차단하거나 다시 허용하고, 로그아웃시키기', en: 'Shut people out, let them in, and sign them out' },
  'admin:clients': { ko: '앱을 확인, 정지, 삭제하기', en: 'Verify, suspend and delete apps' },
  'admin:access': { ko: '앱이 받은 접근 권한과 토큰 끝내기', en: 'End what apps were allowed, and their tokens' },
  'admin:keys': { ko: '서명 키 교체하기', en: 'Rotate the signing keys' },
  'admin:audit': { ko: '감사 기록 내보내기', en: 'Export the audit log' },
  'admin:roles': { ko: '누가 관리자인지 바꾸기', en: 'Change who may administer' },
};

export type AdminScope = keyof typeof IN_WORDS;

export const ADMIN_SCOPES = Object.keys(IN_WORDS) as AdminScope[];

export const adminScopesInWords = (): Scope[] =>
  ADMIN_SCOPES.map((name) => ({ name, mayBeRequired: true, isDefault: false, sensitive: true, title: IN_WORDS[name] }));

/** A client's rights beyond ordinary APIs: to administer this server, and to act for users at upstream providers. */
export type Power = { scopes: AdminScope[]; services: string[] };

/** Reads the stored state, also of a suspended client, and not a node's cache. */
export async function readPower(database: Database, clientId: string): Promise<(Power & { suspended: boolean }) | undefined> {
  const [row] = await database.query<Power & { suspended: boolean }>(Prisma.sql`
    select admin_scopes as scopes, services, suspended_at is not null as suspended from client where id = ${clientId}`);
  return row;
}

/**
 * Runs in the transaction of a decision that depends on these rights. @returns a statement that yields a row, unless the rights have
 * changed.
 */
export function isStillAsPowerful(clientId: string, { scopes, services }: Power): Statement {
  return Prisma.sql`
    select id from client where id = ${clientId} and admin_scopes = ${scopes}::text[] and services = ${services}::text[] for no key update`;
}
