import { type Database, Prisma, type Statement } from '../../../platform/database.ts';
import type { ApiFields, ScopeFields } from './api-judgement.ts';

/**
 * Owns the APIs of developers: who may change which, and how many one developer may have. Every statement names the owner, so the
 * id of another owner's API changes nothing. api-judgement.ts checks the names. Each change notifies every node (oauth/scopes/scope-watch.ts).
 */

export const MOST_APIS = 20;
export const MOST_SCOPES = 50;

const API_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export type OwnedApi = ApiFields & { id: string; identifier: string };
export type OwnedApiWithScopes = OwnedApi & { introspector: string | null; scopes: ScopeFields[] };

const COLUMNS = Prisma.sql`r.id, r.identifier, r.name, r.name_ko as "nameKo", r.name_en as "nameEn", r.token_format::text as "tokenFormat", r.access_token_ttl_seconds as "accessTokenTtlSeconds", r.resource_required as "resourceRequired", r.jwt_algorithm as "jwtAlgorithm", r.jwt_type as "jwtType"`;

/** Newest first. */
export function listOwnedApis(database: Database, accountId: string): Promise<OwnedApi[]> {
  return database.query<OwnedApi>(
    Prisma.sql`select ${COLUMNS} from resource_server r where r.owner_id = ${accountId} order by r.created_at desc, r.id`,
  );
}

/** @returns undefined for an unknown API and for another owner's. The caller cannot tell the two apart. */
export async function findOwnedApi(database: Database, accountId: string, id: string): Promise<OwnedApiWithScopes | undefined> {
  if (!API_ID.test(id)) return undefined;
  const [row] = await database.query<OwnedApiWithScopes>(Prisma.sql`
    select ${COLUMNS}, (select c.id from client c where c.introspects = r.identifier order by c.id limit 1) as introspector,
      coalesce((
        select jsonb_agg(jsonb_build_object('name', s.name, 'titleKo', s.title_ko, 'titleEn', s.title_en, 'sensitive', s.sensitive, 'mayBeRequired', s.may_be_required, 'isDefault', s.is_default, 'position', s.position) order by s.position, s.name)
        from scope s where s.resource_server_id = r.identifier), '[]') as scopes
    from resource_server r where r.id = ${id} and r.owner_id = ${accountId}`);
  return row;
}

/** Whether an API has this audience already, ignoring slashes and an empty query at its end. */
export async function isIdentifierTaken(database: Database, identifier: string): Promise<boolean> {
  const [row] = await database.query(
    Prisma.sql`select 1 from resource_server where rtrim(identifier, '/?') = rtrim(${identifier}, '/?') limit 1`,
  );
  return row !== undefined;
}

/** Runs after lockOwner(). Inserts no row when the owner has MOST_APIS, or when an equivalent identifier exists. */
export function makeApi(
  accountId: string,
  { id, identifier, name, nameKo, nameEn, tokenFormat, jwtAlgorithm, jwtType, accessTokenTtlSeconds, resourceRequired }: OwnedApi,
): Statement {
  return Prisma.sql`
    insert into resource_server (id, identifier, name, name_ko, name_en, token_format, jwt_algorithm, jwt_type, access_token_ttl_seconds, resource_required, owner_id)
    select ${id}, ${identifier}, ${name}, ${nameKo}, ${nameEn}, ${tokenFormat}::token_format, ${jwtAlgorithm}, ${jwtType}, ${accessTokenTtlSeconds}, ${resourceRequired}, ${accountId}
    where (select count(*) from resource_server where owner_id = ${accountId}) < ${MOST_APIS}
      and not exists (select from resource_server where rtrim(identifier, '/?') = rtrim(${identifier}, '/?'))`;
}

export function changeApi(
  accountId: string,
  { id, name, nameKo, nameEn, tokenFormat, jwtAlgorithm, jwtType, accessTokenTtlSeconds, resourceRequired }: Omit<OwnedApi, 'identifier'>,
): Statement {
  return Prisma.sql`
    update resource_server set name = ${name}, name_ko = ${nameKo}, name_en = ${nameEn}, token_format = ${tokenFormat}::token_format, access_token_ttl_seconds = ${accessTokenTtlSeconds},
      jwt_algorithm = ${jwtAlgorithm}, jwt_type = ${jwtType}, resource_required = ${resourceRequired}
    where id = ${id} and owner_id = ${accountId}`;
}

/** Its scopes are deleted with it, and no client introspects for it any more. The caller must also end its tokens: endAudience(). */
export function deleteApi(accountId: string, id: string): Statement {
  return Prisma.sql`delete from resource_server where id = ${id} and owner_id = ${accountId}`;
}

/** Runs after lockOwner(). Inserts no row when the API has MOST_SCOPES. */
export function addScope(
  accountId: string,
  apiId: string,
  { name, titleKo, titleEn, sensitive, mayBeRequired, isDefault, position }: ScopeFields,
): Statement {
  return Prisma.sql`
    insert into scope (resource_server_id, name, title_ko, title_en, sensitive, may_be_required, is_default, position)
    select r.identifier, ${name}, ${titleKo}, ${titleEn}, ${sensitive}, ${mayBeRequired}, ${isDefault}::boolean, ${position} from resource_server r
    where r.id = ${apiId} and r.owner_id = ${accountId} and (select count(*) from scope s where s.resource_server_id = r.identifier) < ${MOST_SCOPES}`;
}

export function changeScope(
  accountId: string,
  apiId: string,
  { name, titleKo, titleEn, sensitive, mayBeRequired, isDefault, position }: ScopeFields,
): Statement {
  return Prisma.sql`
    update scope set title_ko = ${titleKo}, title_en = ${titleEn}, sensitive = ${sensitive}, may_be_required = ${mayBeRequired},
      is_default = ${isDefault}::boolean, position = ${position}
    where name = ${name} and resource_server_id = (select identifier from resource_server where id = ${apiId} and owner_id = ${accountId})`;
}

export function deleteScope(accountId: string, apiId: string, name: string): Statement {
  return Prisma.sql`
    delete from scope where name = ${name} and resource_server_id = (select identifier from resource_server where id = ${apiId} and owner_id = ${accountId})`;
}

/** A confidential client of this owner that introspects for no other API. */
const MAY_INTROSPECT = (accountId: string, identifier: Statement) => Prisma.sql`
  coalesce(c.metadata->>'token_endpoint_auth_method', '') <> 'none' and (c.introspects is null or c.introspects = ${identifier})
  and exists (select from client_owner o where o.client_id = c.id and o.account_id = ${accountId})`;

/** The clients that an owner may let introspect for an API. */
export function listPossibleIntrospectors(
  database: Database,
  accountId: string,
  apiId: string,
): Promise<{ id: string; name: string | null; chosen: boolean }[]> {
  return database.query(Prisma.sql`
    select c.id, c.metadata->>'client_name' as name, c.introspects is not null as chosen
    from resource_server r join client c on ${MAY_INTROSPECT(accountId, Prisma.sql`r.identifier`)}
    where r.id = ${apiId} and r.owner_id = ${accountId} order by c.created_at desc, c.id`);
}

/** Runs before chooseIntrospector(), or alone when no client may introspect any more. */
export function dismissIntrospector(accountId: string, apiId: string): Statement {
  return Prisma.sql`
    update client set introspects = null, updated_at = now()
    where introspects = (select identifier from resource_server where id = ${apiId} and owner_id = ${accountId})`;
}

/** Changes no row for another owner's client or API, for a public client, or for a client that introspects for another API. */
export function chooseIntrospector(accountId: string, apiId: string, clientId: string): Statement {
  return Prisma.sql`
    update client c set introspects = r.identifier, updated_at = now()
    from resource_server r
    where r.id = ${apiId} and r.owner_id = ${accountId} and c.id = ${clientId} and ${MAY_INTROSPECT(accountId, Prisma.sql`r.identifier`)}`;
}
