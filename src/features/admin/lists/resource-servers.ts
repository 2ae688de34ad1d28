import { z } from 'zod';
import { JWT_TYPES, type JwtType, SIGNING_ALGORITHMS, type SigningAlgorithm } from '../../../oauth/clients/signing-algorithms.ts';
import { flag, identifier, type List } from '../../../pages/operators/list.ts';
import { Prisma } from '../../../platform/database.ts';

/** Owns the operators' list of the APIs that tokens are issued for. */

const RESOURCE_SERVER = z.object({
  id: z.string(),
  identifier: z.string(),
  name: z.string(),
  owner_id: z
    .string()
    .nullable()
    .describe("The developer who owns it; null for this server's own APIs, and when the owner's account was deleted"),
  token_format: z.enum(['opaque', 'jwt']),
  access_token_ttl_seconds: z.int(),
  resource_required: z.boolean().describe('Its scopes are granted only to a request that names it with `resource`'),
  jwt_algorithm: z.enum(SIGNING_ALGORITHMS).describe('The algorithm that signs its JWT access tokens'),
  jwt_type: z.enum(JWT_TYPES).describe('`typ` in the header of its JWT access tokens'),
  created_at: z.iso.datetime(),
  scopes: z.array(
    z.object({
      name: z.string(),
      may_be_required: z.boolean().describe('False when the user can always decline it, so that no client can require it'),
      is_default: z.boolean().describe('Granted to a request without `scope`'),
      sensitive: z.boolean(),
      title: z.object({ ko: z.string(), en: z.string() }),
    }),
  ),
  introspected_by: z.array(z.string()).describe('The clients that introspect tokens for it'),
});

export type ResourceServerRow = {
  id: string;
  identifier: string;
  name: string;
  owner_id: string | null;
  token_format: 'opaque' | 'jwt';
  access_token_ttl_seconds: number;
  resource_required: boolean;
  jwt_algorithm: SigningAlgorithm;
  jwt_type: JwtType;
  created_at: Date;
  scopes: { name: string; may_be_required: boolean; is_default: boolean; sensitive: boolean; title: { ko: string; en: string } }[];
  introspected_by: string[];
};

const serverFilters = z.strictObject({
  owner: identifier.describe("A user's id"),
  owned: flag.describe('Whether a developer owns it'),
});

export const resourceServers: List<z.infer<typeof serverFilters>, ResourceServerRow> = {
  name: 'resource_servers',
  summary: 'The APIs that tokens are issued for, ordered by identifier',
  filters: serverFilters,
  row: RESOURCE_SERVER,
  async find({ database }, { owner, owned }, limit, after) {
    // Every node holds all of them in memory, so there are only a few.
    const rows = await database.aside<ResourceServerRow>(Prisma.sql`
      select r.id, r.identifier, r.name, r.owner_id, r.token_format::text as token_format, r.access_token_ttl_seconds, r.resource_required, r.jwt_algorithm, r.jwt_type, r.created_at,
        coalesce((
          select jsonb_agg(jsonb_build_object('name', s.name, 'may_be_required', s.may_be_required,
            'is_default', coalesce(s.is_default, not s.sensitive), 'sensitive', s.sensitive,
            'title', jsonb_build_object('ko', s.title_ko, 'en', s.title_en)) order by s.position, s.name)
          from scope s where s.resource_server_id = r.identifier), '[]') as scopes,
        array(select c.id from client c where c.introspects = r.identifier order by c.id limit 20) as introspected_by
      from resource_server r
      where r.identifier > ${after?.[0] ?? ''} and (${owner ?? null}::text is null or r.owner_id = ${owner ?? null})
        and (${owned ?? null}::boolean is null or (r.owner_id is not null) = ${owned ?? null})
      order by r.identifier limit ${limit}`);
    return { rows };
  },
  positionOf: ({ identifier }) => [identifier],
};
