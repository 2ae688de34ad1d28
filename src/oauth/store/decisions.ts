import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import { digestInHex } from '../../platform/secrets.ts';
import { write } from './unit-of-work.ts';

/**
 * Owns how a user's decision changes the grant: the newest answer counts, and scopes that were not asked do not change.
 * A user and a client have one grant, however many browsers answer at once.
 */

/** The answer for one resource server. Without `resource` it is for the server's own API, and `claims` are those allowed one by one. */
export type ScopeAnswer = { resource?: string; allowed: string[]; declined: string[]; claims?: string[] };

/** The scopes in a grant's payload, in the library's form. */
type Scopes = { openid?: { scope?: string; claims?: string[] }; resources?: Record<string, string>; rejected?: Omit<Scopes, 'rejected'> };

/** @param payload of a row of grant_record. @returns what a grant allows; without `resource` for the server's own API. */
export function allowedScopes(payload: unknown): { resource?: string; name: string }[] {
  const { openid, resources = {}, rejected } = payload as Scopes;
  const declined = (resource?: string) =>
    words(resource === undefined ? rejected?.openid?.scope : rejected?.resources?.[resource]).filter(
      (name) => resource || name !== 'openid',
    );
  return [
    ...words(openid?.scope)
      .filter((name) => !declined().includes(name))
      .map((name) => ({ name })),
    ...Object.entries(resources).flatMap(([resource, scope]) =>
      words(scope)
        .filter((name) => !declined(resource).includes(name))
        .map((name) => ({ resource, name })),
    ),
  ];
}

const words = (scope: string | undefined) => (scope ?? '').split(' ').filter(Boolean);

/**
 * @returns the id of a user's next grant to a client. It is derived from user, client and previous grant, so that two browsers that answer
 * at once write the same row. It gives no access.
 * @param after the previous grant, which has expired and is not deleted yet.
 */
export function grantIdFor(accountId: string, clientId: string, after?: string): string {
  return digestInHex(JSON.stringify(['grant', accountId, clientId, after ?? '']));
}

export type Kept = { grantId: string; accountId: string; clientId: string; answers: ScopeAnswer[]; lifeSeconds: number };

/**
 * Writes answers into a new or existing grant at the end of the unit of work. It changes the row in its state at that moment, not as it was
 * read.
 * So the answers of two browsers are both stored. It does not restore an ended grant, and gives a suspended client none.
 */
export async function keepAnswers(database: Database, { grantId, accountId, clientId, answers, lifeSeconds }: Kept): Promise<void> {
  const begun = Prisma.sql`jsonb_build_object('iat', extract(epoch from now())::bigint)`;
  await write(database, {
    purpose: 'keep',
    once: true,
    subject: `Grant ${grantId}`,
    statement: Prisma.sql`
      insert into grant_record (id, client_id, account_id, expires_at, payload)
      select ${grantId}, id, ${accountId}, now() + ${lifeSeconds} * interval '1 second', ${answered(begun, answers)}
      from (select id from client where id = ${clientId} and suspended_at is null for key share) as client
      on conflict (id) do update set payload = ${answered(Prisma.sql`grant_record.payload`, answers)} where grant_record.expires_at > now()`,
  });
}

/** Ends the opaque access tokens with a scope that was just declined. A refresh returns one without it. */
export async function endTokensBeyond(database: Database, grantId: string, declined: string[]): Promise<void> {
  await write(database, {
    purpose: 'end',
    subject: `AccessTokens beyond ${grantId}`,
    statement: Prisma.sql`
      delete from token where grant_id = ${grantId} and kind = 'AccessToken' and string_to_array(payload->>'scope', ' ') && ${declined}::text[]`,
  });
}

/** A grant's payload after the answers. */
function answered(payload: Statement, answers: ScopeAnswer[]): Statement {
  const own = answers.filter(({ resource }) => resource === undefined);
  const others = answers.filter(({ resource }) => resource !== undefined);
  const claims = own.flatMap((answer) => answer.claims ?? []);
  const side = (
    at: Statement,
    more: (answer: ScopeAnswer) => string[],
    less: (answer: ScopeAnswer) => string[],
    claimed: Statement,
  ) => Prisma.sql`
    'openid', jsonb_strip_nulls(jsonb_build_object('scope', ${settled(Prisma.sql`${at}#>>'{openid,scope}'`, own.flatMap(more), own.flatMap(less))}, 'claims', ${claimed})),
    'resources', coalesce(${at}->'resources', '{}') ${Prisma.join(
      [
        Prisma.empty,
        ...others.map(
          (answer) => Prisma.sql`
            || jsonb_build_object(${answer.resource}::text, ${settled(Prisma.sql`${at}->'resources'->>${answer.resource}::text`, more(answer), less(answer))})`,
        ),
      ],
      '',
    )}`;
  const [allowed, declined] = [(answer: ScopeAnswer) => answer.allowed, (answer: ScopeAnswer) => answer.declined];
  const claimed = Prisma.sql`(
    select jsonb_agg(distinct claim order by claim)
    from unnest(array(select jsonb_array_elements_text(coalesce((${payload})#>'{openid,claims}', '[]'))) || ${claims}::text[]) as claim)`;
  return Prisma.sql`(${payload} || jsonb_build_object(${side(Prisma.sql`(${payload})`, allowed, declined, claimed)},
    'rejected', jsonb_build_object(${side(Prisma.sql`(${payload}->'rejected')`, declined, allowed, Prisma.sql`null::jsonb`)})))`;
}

/** A list of scopes after adding and removing some, in their original order. */
function settled(before: Statement, more: string[], less: string[]): Statement {
  return Prisma.sql`(
    select coalesce(string_agg(name, ' ' order by place), '') from (
      select name, min(n) as place from unnest(string_to_array(coalesce(${before}, ''), ' ') || ${more}::text[]) with ordinality as said (name, n)
      where name <> '' and name <> all (${less}::text[]) group by name) as kept)`;
}
