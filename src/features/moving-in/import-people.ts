import { recordEventForEach } from '../../audit/events.ts';
import { OPERATOR } from '../../command-line/operator.ts';
import { insertMovedAccounts } from '../../people/administration.ts';
import { spellingsOf } from '../../people/email-address.ts';
import { freeUsernames } from '../../people/usernames.ts';
import { type Database, Prisma } from '../../platform/database.ts';
import type { Person } from './person.ts';

/**
 * Owns the users of another server's export: which of them are here already, and the accounts of the others. It works through them in
 * batches, so that a file may have any number. A batch is stored as a whole or not at all. No mail is sent by this.
 */

const BATCH = 500;

export type PersonOutcome = 'make' | 'skip' | 'refuse' | 'left';
export type JudgedPerson = { person: Person; outcome: PersonOutcome; why?: string };

export type PeopleWork = {
  from: string;
  /** False in a dry run: nothing is written. */
  writes: boolean;
  /** Ends the work between two batches. */
  signal: AbortSignal;
  /** Receives each user once, in the order of the file. */
  tell(judged: JudgedPerson): void;
};

/** @returns whether all of them were handled: false when it was interrupted. */
export async function importPeople(database: Database, people: AsyncIterable<Person>, work: PeopleWork): Promise<boolean> {
  const seen = new Set<string>();
  let batch: JudgedPerson[] = [];
  for await (const person of people) {
    batch.push(judgedByFile(person, seen));
    if (batch.length < BATCH) continue;
    if (work.signal.aborted) return false;
    await handle(database, batch, work);
    batch = [];
  }
  if (work.signal.aborted) return false;
  if (batch.length) await handle(database, batch, work);
  return true;
}

function judgedByFile(person: Person, seen: Set<string>): JudgedPerson {
  if (person.passedOver) return { person, outcome: 'skip', why: person.passedOver };
  if (person.refusal) return { person, outcome: 'refuse', why: person.refusal };
  // Copies, because a part of a text keeps the whole piece of the file in memory.
  const [email, id] = [Buffer.from(person.email).toString(), Buffer.from(person.id).toString()];
  const twice = seen.has(email) ? 'address' : seen.has(id) ? 'id' : undefined;
  if (twice) return { person, outcome: 'refuse', why: `another user of the file before has the same ${twice}` };
  seen.add(email);
  if (person.keepsId) seen.add(id);
  return { person, outcome: 'make' };
}

async function handle(database: Database, batch: JudgedPerson[], work: PeopleWork): Promise<void> {
  await judgeByDatabase(database, batch);
  const newcomers = batch.filter(({ outcome }) => outcome === 'make');
  if (work.writes && newcomers.length) {
    const stored = await store(
      database,
      newcomers.map(({ person }) => person),
      work.from,
    );
    for (const judged of newcomers)
      if (!stored.has(judged.person.id))
        Object.assign(judged, { outcome: 'left', why: 'another account took their address or user name meanwhile' });
  }
  for (const judged of batch) work.tell(judged);
}

async function judgeByDatabase(database: Database, batch: JudgedPerson[]): Promise<void> {
  const asked = batch.filter(({ outcome }) => outcome === 'make');
  const emails = asked.flatMap(({ person }) => spellingsOf(person.email));
  const ids = asked.map(({ person }) => person.id);
  const rows = await database.aside<{ id: string; email: string }>(Prisma.sql`
    select id, email from user_account where email = any(${emails}) or id = any(${ids})`);
  const clients = await database.aside<{ id: string }>(Prisma.sql`select id from client where id = any(${ids})`);
  const taken = new Set(clients.map(({ id }) => id));
  const here = new Set(rows.flatMap(({ id, email }) => [id, email]));
  for (const judged of asked) {
    const { email, id } = judged.person;
    // A token's sub is either an account's id or a client's (RFC 9068 section 2.2).
    if (taken.has(id)) Object.assign(judged, { outcome: 'refuse', why: 'their id is the id of a client here' });
    else if ([id, ...spellingsOf(email)].some((one) => here.has(one)))
      Object.assign(judged, { outcome: 'skip', why: 'there is an account with this address or id already' });
  }
}

/** @returns the ids of those that were stored. */
async function store(database: Database, people: Person[], from: string): Promise<Set<string>> {
  const usernames = await freeUsernames(database, people);
  const accounts = people.map(({ id, email, emailVerified, name, locale, passwordHash, disabled }, n) => ({
    ...{ id, email, emailVerified, name, disabled, username: String(usernames[n]) },
    ...{ locale: locale ?? null, passwordHash: passwordHash ?? null },
  }));
  const ids = people.map(({ id }) => id);
  const here = Prisma.sql`select id as account_id, null::text as client_id from user_account where id = any(${ids})`;
  const [rows = []] = await database.transaction([
    insertMovedAccounts(accounts),
    recordEventForEach(OPERATOR, { type: 'account_made', detail: { source: from } }, here),
  ]);
  return new Set((rows as { id: string }[]).map(({ id }) => id));
}
