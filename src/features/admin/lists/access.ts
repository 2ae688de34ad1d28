import { z } from 'zod';
import { HANDLE, HANDLE_CHARACTERS, isNamed } from '../../../oauth/store/token-handles.ts';
import { all, identifier, type List } from '../../../pages/operators/list.ts';
import { Prisma } from '../../../platform/database.ts';

/**
 * Owns the operators' lists of grants and tokens, ordered by id. For one client or user, the database picks the cheaper way. It uses the
 * index of the owner, or scans in the order of the random ids.
 */

const GRANT = z.object({
  id: z.string(),
  client_id: z.string(),
  account_id: z.string(),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime(),
  scopes: z.array(z.string()).describe('All scopes that the grant allows, over all resources'),
});

export type GrantRow = { id: string; client_id: string; account_id: string; created_at: Date; expires_at: Date; scopes: string[] };

const holder = z.strictObject({
  client: identifier.describe('A client_id'),
  account: identifier.describe("A user's id"),
});

type Holder = z.infer<typeof holder>;

const heldBy = ({ client, account }: Holder) => [
  client !== undefined && Prisma.sql`t.client_id = ${client}`,
  account !== undefined && Prisma.sql`t.account_id = ${account}`,
];

export const grants: List<Holder, GrantRow> = {
  name: 'grants',
  summary: 'Active grants of users to clients',
  filters: holder,
  row: GRANT,
  async find({ database }, wanted, limit, after) {
    const where = all([...heldBy(wanted), after && Prisma.sql`t.id > ${after[0]}`, Prisma.sql`t.expires_at > now()`]);
    const rows = await database.aside<Omit<GrantRow, 'scopes'> & { payload: GrantPayload }>(Prisma.sql`
      select t.id, t.client_id, t.account_id, t.created_at, t.expires_at, t.payload from grant_record t where ${where} order by t.id limit ${limit}`);
    return { rows: rows.map(({ payload, ...row }) => ({ ...row, scopes: scopesOf(payload) })) };
  },
  positionOf: ({ id }) => [id],
};

/** The library's format: scopes are separated by spaces. */
type GrantPayload = { openid?: { scope?: string }; resources?: Record<string, string> };

function scopesOf({ openid, resources = {} }: GrantPayload): string[] {
  const texts = [openid?.scope ?? '', ...Object.values(resources)];
  return [...new Set(texts.flatMap((text) => text.split(' ')).filter(Boolean))].sort();
}

const TOKEN = z.object({
  handle: z.string().describe('The first characters of the stored digest; it is not a credential'),
  kind: z.enum(['AccessToken', 'RefreshToken', 'ClientCredentials']),
  client_id: z.string(),
  account_id: z.string().nullable(),
  grant_id: z.string().nullable(),
  scope: z.string().nullable(),
  audience: z.string().nullable(),
  expires_at: z.iso.datetime(),
  consumed_at: z.iso.datetime().nullable(),
});

export type TokenRow = {
  handle: string;
  kind: string;
  client_id: string;
  account_id: string | null;
  grant_id: string | null;
  scope: string | null;
  audience: string | null;
  expires_at: Date;
  consumed_at: Date | null;
};

const named = holder.extend({ handle: z.string().regex(HANDLE).optional().describe('The handle of one token') });

type PlacedToken = TokenRow & { place?: string };

export const tokens: List<z.infer<typeof named>, PlacedToken> = {
  name: 'tokens',
  summary: 'Opaque tokens that have not expired. JWT access tokens are not stored',
  filters: named,
  row: TOKEN,
  async find({ database }, wanted, limit, after) {
    const where = all([
      ...heldBy(wanted),
      wanted.handle !== undefined && isNamed(wanted.handle),
      after && Prisma.sql`t.id > decode(${after[0]}, 'hex')`,
      Prisma.sql`t.expires_at > now()`,
    ]);
    const rows = await database.aside<TokenRow & { place: string }>(Prisma.sql`
      select encode(t.id, 'hex') as place, substr(encode(t.id, 'hex'), 1, ${HANDLE_CHARACTERS}::int) as handle, t.kind::text as kind, t.client_id, t.account_id, t.grant_id,
        t.payload->>'scope' as scope, t.payload->>'aud' as audience, t.expires_at, t.consumed_at
      from token t where ${where} order by t.id limit ${limit}`);
    // The full digest is only for the cursor, which is sealed.
    return {
      rows: rows.map(({ place, ...row }) => Object.defineProperty(row as PlacedToken, 'place', { value: place, enumerable: false })),
    };
  },
  positionOf: ({ place }) => [place as string],
};
