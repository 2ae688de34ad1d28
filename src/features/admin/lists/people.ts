import { z } from 'zod';
import { all, contains, flag, type List, scan, search } from '../../../pages/operators/list.ts';
import { ROLES, type Role } from '../../../people/roles.ts';
import { type Database, isStorable, Prisma, type Statement } from '../../../platform/database.ts';

/** Owns the operators' list of users. */

const PERSON = z.object({
  id: z.string(),
  email: z.string(),
  email_verified: z.boolean(),
  username: z.string(),
  name: z.string(),
  role: z.enum(ROLES),
  locale: z.string().nullable(),
  created_at: z.iso.datetime(),
  disabled_at: z.iso.datetime().nullable(),
  delete_after: z.iso.datetime().nullable(),
});

export type PersonRow = {
  id: string;
  email: string;
  email_verified: boolean;
  username: string;
  name: string;
  role: Role;
  locale: string | null;
  created_at: Date;
  disabled_at: Date | null;
  delete_after: Date | null;
};

const COLUMNS = Prisma.sql`
  t.id, t.email, t.email_verified, t.username, t.name, t.role::text as role, t.locale, t.created_at, t.disabled_at, t.delete_after`;

const filters = z.strictObject({
  search: search.describe('Text in the address, the user name or the name; case does not matter'),
  role: z.enum(ROLES).optional(),
  disabled: flag,
});

export const people: List<z.infer<typeof filters>, PersonRow> = {
  name: 'people',
  summary: 'Users, ordered by address',
  filters,
  row: PERSON,
  find({ database }, { search, role, disabled }, limit, after) {
    const conditions: (Statement | undefined | false)[] = [
      search
        ? Prisma.sql`(${contains(Prisma.sql`t.email`, search)} or ${contains(Prisma.sql`t.username`, search)} or ${contains(Prisma.sql`t.name`, search)})`
        : undefined,
      role && Prisma.sql`t.role = ${role}::user_role`,
      disabled !== undefined && Prisma.sql`(t.disabled_at is not null) = ${disabled}`,
    ];
    const where = conditions.some(Boolean) ? all(conditions) : undefined;
    return scan<PersonRow>(
      database,
      { from: Prisma.sql`user_account t`, by: Prisma.sql`t.email`, columns: COLUMNS },
      { where, after, limit },
    );
  },
  positionOf: ({ email }) => [email],
};

/** @returns one user, even a disabled one. */
export async function findPerson(database: Database, id: string): Promise<PersonRow | undefined> {
  if (!isStorable(id)) return undefined;
  const [row] = await database.query<PersonRow>(Prisma.sql`select ${COLUMNS} from user_account t where t.id = ${id}`);
  return row;
}

export const person = PERSON;
