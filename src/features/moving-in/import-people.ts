import { recordEvent } from '../../audit/events.ts';
import { OPERATOR } from '../../command-line/operator.ts';
import { showProgress } from '../../command-line/progress.ts';
import { disableAccount, insertAccountToClaim } from '../../people/administration.ts';
import { type Database, Prisma } from '../../platform/database.ts';
import { timeOrderedId } from '../../platform/secrets.ts';
import { type KeycloakPerson, readPeople } from './keycloak-people.ts';

/** Owns the people of another server's export: each an account without a password, which its person claims by mail. No mail is sent by this. */

/** Those of a realm, and which of them are here already. */
export async function planPeople(database: Database, document: unknown): Promise<KeycloakPerson[]> {
  const people = readPeople(document, () => timeOrderedId());
  const emails = people.filter(({ refusal }) => !refusal).map(({ email }) => email);
  const ids = people.map(({ id }) => id);
  const rows = await database.aside<{ id: string; email: string }>(Prisma.sql`
    select id, email from user_account where email = any(${emails}) or id = any(${ids})`);
  const clients = await database.aside<{ id: string }>(Prisma.sql`select id from client where id = any(${ids})`);
  const taken = new Set(clients.map(({ id }) => id));
  const here = new Set(rows.flatMap(({ id, email }) => [id, email]));
  return people.map((person) => {
    // A token's sub is either an account's id or a client's (RFC 9068 section 2.2).
    if (taken.has(person.id) && !person.refusal) return { ...person, refusal: 'their id is the id of a client here' };
    return here.has(person.email) || here.has(person.id)
      ? { ...person, passedOver: 'there is an account with this address or id already' }
      : person;
  });
}

/** Goes through those that are neither refused nor passed over. @param written takes their ids. */
export async function importPeople(
  database: Database,
  people: KeycloakPerson[],
  { from, signal, written }: { from: string; signal: AbortSignal; written: Set<string> },
): Promise<void> {
  const work = people.filter(({ refusal, passedOver }) => !refusal && !passedOver);
  const progress = showProgress('people', work.length);
  for (const { id, email, name, disabled } of work) {
    if (signal.aborted) break;
    await database.transaction([
      insertAccountToClaim({ id, email, name, role: 'user' }),
      ...(disabled ? [disableAccount(id)] : []),
      recordEvent(OPERATOR, { type: 'account_made', accountId: id, detail: { source: from } }),
    ]);
    written.add(id);
    progress.step();
  }
  progress.end();
}
