import { isOwnName, looksOf } from '../http/similar-names.ts';
import { type Database, Prisma, type Statement } from '../platform/database.ts';
import { digest } from '../platform/secrets.ts';
import { withoutDeceptive } from '../platform/visible-text.ts';

/**
 * Owns which user names are free. A name that users would take for the operator's is never free. A name that another user gave up is
 * reserved for 90 days, because clients and users know that user by it. The trigger `rest_username` records given-up names as digests.
 */

const RESERVED = [
  ...[
    'admin',
    'admins',
    'administrator',
    'administrators',
    'administration',
    'root',
    'superuser',
    'sysadmin',
    'system',
    'operator',
    'owner',
  ],
  ...['support', 'supportteam', 'help', 'helpdesk', 'helpcenter', 'service', 'customerservice', 'contact', 'info', 'billing', 'legal'],
  ...[
    'security',
    'abuse',
    'privacy',
    'trust',
    'safety',
    'verify',
    'verified',
    'verification',
    'official',
    'staff',
    'team',
    'moderator',
    'mod',
  ],
  ...['postmaster', 'hostmaster', 'webmaster', 'mailerdaemon', 'noreply', 'donotreply', 'mail', 'www', 'api', 'oauth', 'server'],
  ...['account', 'accounts', 'login', 'signin', 'signup', 'password', 'everyone', 'nobody', 'anonymous', 'null', 'undefined'],
  ...[
    '관리자',
    '운영자',
    '운영팀',
    '고객센터',
    '고객지원',
    '지원',
    '지원팀',
    '보안',
    '보안팀',
    '공식',
    '도움말',
    '상담원',
    '직원',
    '담당자',
    '시스템',
  ],
];

const LOOKS = new Set(RESERVED.flatMap((name) => looksOf(name)));

const isOne = (name: string): boolean => {
  const bare = name.replace(/\d+$/, '');
  return [name, bare].some((part) => isOwnName(part) || looksOf(part).some((look) => LOOKS.has(look)));
};

/** Whether a name suggests the operator: a reserved word in any spelling and with any number, only such words, or the server's own name. */
export function isReservedUsername(username: string): boolean {
  const words = username.split(/[^\p{L}\p{M}\p{N}]+/u).filter((word) => /\D/.test(word));
  return isOne(username) || words.some((word) => isOwnName(word)) || (words.length > 0 && words.every(isOne));
}

/** Whether a name is reserved because another account gave it up. */
export const restsFor = (username: string, accountId: string): Statement => Prisma.sql`
  exists (select from resting_username where id = ${digest(username)} and holder <> ${digest(accountId)} and expires_at > now())`;

/** A free user name derived from the address. @param id of the account that gets it. */
export function freeUsername(email: string, id: string): Statement {
  const base = usernameFrom(email);
  return Prisma.sql`
    case when exists (select from user_account where username = ${base}) or ${restsFor(base, id)} then ${`${base}-${id.slice(-5)}`} else ${base} end`;
}

/** The same for many accounts at once, read beforehand. @returns the names in order. None is twice in them. */
export async function freeUsernames(database: Database, accounts: readonly { id: string; email: string }[]): Promise<string[]> {
  const wishes = accounts.map(({ id, email }) => {
    const base = usernameFrom(email);
    return [base, `${base}-${id.slice(-5)}`, `${base}-${id.slice(-12)}`];
  });
  const rows = await database.aside<{ name: string }>(Prisma.sql`
    select name from unnest(${[...new Set(wishes.flat())]}::text[]) name where exists (select from user_account where username = name)
      or exists (select from resting_username where id = sha256(convert_to(name, 'UTF8')) and expires_at > now())`);
  const taken = new Set(rows.map(({ name }) => name));
  return wishes.map((names) => {
    const name = names.find((one) => !taken.has(one)) ?? String(names[2]);
    taken.add(name);
    return name;
  });
}

const LONGEST_USERNAME = 30;

/** The part before the @, without what would look like an address or a reserved name. */
function usernameFrom(email: string): string {
  const name = withoutDeceptive(email.slice(0, email.lastIndexOf('@')), () => '')
    .replace(/\+.*$/, '')
    .replace(/[^\p{L}\p{N}._-]/gu, '')
    .replace(/^[._-]+|[._-]+$/g, '');
  const base = [...name].slice(0, LONGEST_USERNAME).join('');
  return base && !isReservedUsername(base) ? base : 'user';
}
