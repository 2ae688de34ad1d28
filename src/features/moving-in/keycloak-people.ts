import { emailProblem, normalizeEmail } from '../../people/email-address.ts';
import { nameFault, tidyName } from '../../people/names.ts';

/**
 * Owns the reading of a user in a Keycloak realm export. Passwords are not imported: this server cannot verify Keycloak's hashes. Does not
 * store the users.
 * @see https://www.keycloak.org/docs-api/26.7.2/javadocs/org/keycloak/representations/idm/UserRepresentation.html for the fields
 */

type Note = { field: string; outcome: 'kept' | 'changed' | 'dropped'; why?: string };

export type KeycloakPerson = {
  /** The subject identifier by which clients know the user. */
  id: string;
  email: string;
  name: string;
  disabled: boolean;
  fields: Note[];
  /** Why the user is not imported although nothing is wrong. */
  passedOver?: string;
  refusal?: string;
};

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const DROPPED: Record<string, string> = {
  credentials: 'a password cannot be verified by a hash of another server, nor a second factor: they choose a password by the sign-in page',
  emailVerified: 'they prove their address when they choose a password',
  username: 'they get one after their address, and may change it',
  federatedIdentities: 'they link their accounts elsewhere anew',
  clientConsents: 'every client asks them once',
  realmRoles: 'there are no roles in tokens here, and an operator makes an admin: munjigi people change-role',
  clientRoles: 'there are no roles in tokens here',
  groups: 'there are no groups here',
  requiredActions: 'nothing but a password is asked of them',
  createdTimestamp: 'an account is as old here as its import',
};

const TOLD_ELSEWHERE = ['id', 'email', 'firstName', 'lastName', 'enabled'];

/** @returns the users of a realm export; empty when it has none. @param newId creates the id of a user whose own id cannot stay. */
export function readPeople(document: unknown, newId: () => string): KeycloakPerson[] {
  const users = isFields(document) && Array.isArray(document['users']) ? document['users'] : [];
  const seen = new Set<string>();
  return users.map((user) => {
    const person = readPerson(isFields(user) ? user : {}, newId);
    const again = [person.email, person.id].find((key) => seen.has(key));
    for (const key of [person.email, person.id]) seen.add(key);
    return again === undefined || person.refusal || person.passedOver
      ? person
      : { ...person, refusal: 'another person of the file before has the same address or id' };
  });
}

function readPerson(user: Record<string, unknown>, newId: () => string): KeycloakPerson {
  const text = (field: string) => (typeof user[field] === 'string' ? user[field] : '');
  const [own, email] = [text('id').toLowerCase(), normalizeEmail(text('email'))];
  const said = tidyName([text('firstName'), text('lastName')].filter(Boolean).join(' ')) || tidyName(text('username'));
  const fault = nameFault(said);
  const fields: Note[] = [
    {
      field: 'email',
      outcome: email === text('email') ? 'kept' : 'changed',
      ...(email === text('email') ? undefined : { why: 'one spelling an address' }),
    },
    fault
      ? { field: 'firstName, lastName', outcome: 'changed', why: 'people are called by their address until they say otherwise' }
      : { field: 'firstName, lastName', outcome: 'kept' },
    UUID.test(own)
      ? { field: 'id', outcome: 'kept' }
      : { field: 'id', outcome: 'changed', why: 'it is no UUID: apps know them by another subject identifier' },
    ...(user['enabled'] === false ? [{ field: 'enabled', outcome: 'kept' as const, why: 'the account is disabled' }] : []),
    ...Object.entries(user)
      .filter(
        ([field, value]) =>
          (!TOLD_ELSEWHERE.includes(field) && value !== false && value !== null && Object.keys(Object(value)).length !== 0) ||
          (field === 'emailVerified' && value === true),
      )
      .map(
        ([field]): Note => ({
          field,
          outcome: 'dropped',
          why: Object.hasOwn(DROPPED, field) ? String(DROPPED[field]) : 'this server has nothing like it',
        }),
      ),
  ];
  return {
    id: UUID.test(own) ? own : newId(),
    email,
    name: fault ? email.slice(0, email.lastIndexOf('@')) || email : said,
    disabled: user['enabled'] === false,
    fields,
    ...(text('serviceAccountClientId') ? { passedOver: 'it is the account of a client, which acts for itself here' } : undefined),
    ...(emailProblem(email) ? { refusal: 'it has no address that mail can be sent to, by which they could choose a password' } : undefined),
  };
}

const isFields = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
