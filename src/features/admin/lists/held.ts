import { z } from 'zod';
import { all, identifier, type List } from '../../../pages/operators/list.ts';
import { Prisma } from '../../../platform/database.ts';

/** Owns the operators' lists of users' sessions and clients' secrets. Nothing in them can be used to authenticate. */

const SESSION = z.object({
  id: z.string().describe('Identifies the session to end it; it is not a credential'),
  account_id: z.string(),
  browser: z.string().nullable(),
  address: z.string().nullable().describe('The network, without the host part'),
  created_at: z.iso.datetime(),
  used_at: z.iso.datetime(),
  expires_at: z.iso.datetime(),
});

export type SessionRow = {
  id: string;
  account_id: string;
  browser: string | null;
  address: string | null;
  created_at: Date;
  used_at: Date;
  expires_at: Date;
};

const ofPerson = z.strictObject({ account: identifier.describe("A user's id") });

export const sessions: List<z.infer<typeof ofPerson>, SessionRow> = {
  name: 'sessions',
  summary: 'Active browser sessions of users, ordered by session id',
  filters: ofPerson,
  row: SESSION,
  async find({ database }, { account }, limit, after) {
    const where = all([
      account === undefined ? Prisma.sql`t.account_id is not null` : Prisma.sql`t.account_id = ${account}`,
      after && Prisma.sql`t.uid > ${after[0]}`,
      Prisma.sql`t.expires_at > now()`,
    ]);
    const rows = await database.aside<SessionRow>(Prisma.sql`
      select t.uid as id, t.account_id, t.browser, t.address, t.created_at, t.used_at, t.expires_at
      from session t where ${where} order by t.uid limit ${limit}`);
    return { rows };
  },
  positionOf: ({ id }) => [id],
};

const SECRET = z.object({
  id: z.string().describe('The first characters of the stored digest; it is not a credential'),
  client_id: z.string(),
  hint: z.string().nullable().describe('The first and last characters of the secret'),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime().nullable(),
  used_at: z.iso.datetime().nullable().describe('Accurate to the hour'),
});

export type SecretRow = {
  id: string;
  client_id: string;
  hint: string | null;
  created_at: Date;
  expires_at: Date | null;
  used_at: Date | null;
};

const ofClient = z.strictObject({ client: identifier.describe('A client_id') });

// As in live-secrets.ts.
const ID_CHARACTERS = 16;

export const clientSecrets: List<z.infer<typeof ofClient>, SecretRow> = {
  name: 'client_secrets',
  summary: 'Active client secrets, ordered by id',
  filters: ofClient,
  row: SECRET,
  async find({ database }, { client }, limit, after) {
    // 64 bits of a digest identify a secret, so no secret is skipped between two pages.
    const where = all([
      client !== undefined && Prisma.sql`t.client_id = ${client}`,
      after && Prisma.sql`t.digest > decode(${after[0]} || repeat('ff', 24), 'hex')`,
      Prisma.sql`(t.expires_at is null or t.expires_at > now())`,
    ]);
    const rows = await database.aside<SecretRow>(Prisma.sql`
      select left(encode(t.digest, 'hex'), ${ID_CHARACTERS}::int) as id, t.client_id, t.hint, t.created_at, t.expires_at, t.used_at
      from client_secret t where ${where} order by t.digest limit ${limit}`);
    return { rows };
  },
  positionOf: ({ id }) => [id],
};
