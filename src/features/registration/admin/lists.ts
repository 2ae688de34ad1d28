import { z } from 'zod';
import type { List } from '../../../pages/operators/list.ts';
import { Prisma } from '../../../platform/database.ts';

/** Owns the operators' list of initial access tokens. */

const INITIAL_ACCESS_TOKEN = z.object({
  id: z.string(),
  name: z.string(),
  max_clients: z.int(),
  clients: z.int(),
  grant_types: z.array(z.string()).describe('The grant types that its clients may use; an empty list means all that registration allows'),
  scopes: z.array(z.string()),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime(),
});

export type InitialAccessTokenRow = {
  id: string;
  name: string;
  max_clients: number;
  clients: number;
  grant_types: string[];
  scopes: string[];
  created_at: Date;
  expires_at: Date;
};

const none = z.strictObject({});

export const initialAccessTokens: List<object, InitialAccessTokenRow> = {
  name: 'initial_access_tokens',
  summary: 'Initial access tokens that have not expired, oldest first',
  filters: none,
  row: INITIAL_ACCESS_TOKEN,
  async find({ database }, _filters, limit, after) {
    const rows = await database.aside<InitialAccessTokenRow>(Prisma.sql`
      select id, name, max_clients, clients, grant_types, scopes, created_at, expires_at from initial_access_token
      where expires_at > now() and id > ${after?.[0] ?? ''} order by id limit ${limit}`);
    return { rows };
  },
  positionOf: ({ id }) => [id],
};
