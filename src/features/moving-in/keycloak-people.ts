import { argon2String } from '../../people/foreign-passwords/argon2.ts';
import { pbkdf2String } from '../../people/foreign-passwords/pbkdf2.ts';
import { type Fields, isFields, textOf } from './draft.ts';
import { note, type Person, settlePerson } from './person.ts';

/**
 * Owns the reading of a user in a Keycloak realm export.
 * @see https://www.keycloak.org/docs-api/26.7.2/javadocs/org/keycloak/representations/idm/UserRepresentation.html for the fields
 * @see https://www.keycloak.org/docs-api/26.7.2/javadocs/org/keycloak/representations/idm/CredentialRepresentation.html for passwords
 */

const DROPPED: Record<string, string> = {
  username: 'they get one after their address, and may change it',
  federatedIdentities: 'they link their accounts elsewhere again',
  clientConsents: 'every client asks them once',
  realmRoles: 'there are no roles in tokens here, and an operator makes an admin: munjigi people change-role',
  clientRoles: 'there are no roles in tokens here',
  groups: 'there are no groups here',
  requiredActions: 'nothing but a password is asked of them',
  createdTimestamp: 'an account is as old here as its import',
  notBefore: 'tokens of the other server mean nothing here',
};

const TOLD_ELSEWHERE = ['id', 'email', 'emailVerified', 'firstName', 'lastName', 'enabled', 'credentials', 'attributes', 'totp'];

/** @param value a member of `users`. @param number its place in the file, from 1. */
export function readKeycloakUser(value: unknown, number: number): Person {
  const user: Fields = isFields(value) ? value : {};
  const username = textOf(user['username']);
  const attributes = isFields(user['attributes']) ? user['attributes'] : {};
  const locale = textOf([attributes['locale']].flat()[0]);
  const person = settlePerson({
    where: `user ${number}${username ? ` ${username.slice(0, 100)}` : ''}`,
    id: { field: 'id', text: textOf(user['id']) },
    email: { field: 'email', text: textOf(user['email']) },
    names: [
      { field: 'firstName, lastName', text: [textOf(user['firstName']), textOf(user['lastName'])].filter(Boolean).join(' ') },
      { field: 'username', text: username },
    ],
    username,
    emailVerified: user['emailVerified'] === true,
    disabled: user['enabled'] === false,
    ...(locale ? { locale: { field: 'attributes.locale', text: locale } } : undefined),
    ...passwordOf(user),
  });
  if (user['emailVerified'] === true) note(person, 'emailVerified');
  leaveFields(person, user, attributes);
  if (textOf(user['serviceAccountClientId']) || /^service-account-/.test(username))
    return { ...withoutRefusal(person), passedOver: 'it is the account of a client, which acts for itself here' };
  return person;
}

const withoutRefusal = ({ refusal: _, ...person }: Person): Person => person;

function leaveFields(person: Person, user: Fields, attributes: Fields): void {
  for (const [field, value] of Object.entries(user))
    if (!TOLD_ELSEWHERE.includes(field) && !isEmpty(value))
      note(person, field, DROPPED[field] ?? 'this server has nothing like it', 'dropped');
  for (const name of Object.keys(attributes))
    if (name !== 'locale') note(person, `attributes.${name}`, 'an account has a name, an address and a language here', 'dropped');
  for (const { type } of credentialsOf(user))
    if (type !== 'password')
      note(person, `credentials: ${textOf(type)}`, 'a second factor is bound to the other server: they add one here', 'dropped');
}

const isEmpty = (value: unknown): boolean => !value || (typeof value === 'object' && Object.keys(value).length === 0);

const credentialsOf = (user: Fields): Fields[] => (Array.isArray(user['credentials']) ? user['credentials'].filter(isFields) : []);

type Password = { password?: { field: string; text: string }; passwordProblem?: string };

function passwordOf(user: Fields): Password {
  const credential = credentialsOf(user).find(({ type }) => type === 'password');
  if (!credential) return {};
  const password = { field: 'credentials', text: '' };
  const actions = Array.isArray(user['requiredActions']) ? user['requiredActions'] : [];
  if (credential['temporary'] === true || actions.includes('UPDATE_PASSWORD'))
    return { password, passwordProblem: 'their password is to be changed at the next sign-in' };
  if (credential['value'] !== undefined) return { password, passwordProblem: 'a password in clear is not imported' };
  return { password: { ...password, text: hashOf(credential) || 'unknown' } };
}

/** @returns the hash as one text; empty for an algorithm that this server does not know. Keycloak before version 8 has no JSON within JSON. */
function hashOf(credential: Fields): string {
  const secret = parsed(credential['secretData']) ?? { value: credential['hashedSaltedValue'], salt: credential['salt'] };
  const data = parsed(credential['credentialData']) ?? credential;
  const [hash, salt] = [secret['value'], secret['salt']].map((text) => Buffer.from(textOf(text), 'base64'));
  const algorithm = textOf(data['algorithm']);
  const iterations = Number(data['hashIterations']);
  if (!hash?.length || !salt?.length) return '';
  if (/^\$2[aby]\$/.test(textOf(secret['value']))) return textOf(secret['value']);
  if (algorithm === 'argon2') return argon2Of(data, iterations, salt, hash);
  const [, digest = 'sha1'] = /^pbkdf2(?:-(sha\d+))?$/.exec(algorithm) ?? [undefined, ''];
  return digest && pbkdf2String(digest, iterations, salt, hash);
}

function argon2Of({ additionalParameters }: Fields, passes: number, salt: Buffer, hash: Buffer): string {
  const parameter = (name: string) => String([isFields(additionalParameters) ? additionalParameters[name] : undefined].flat()[0] ?? '');
  return argon2String({
    type: parameter('type') || 'id',
    version: parameter('version'),
    memory: Number(parameter('memory')),
    passes,
    lanes: Number(parameter('parallelism')),
    salt,
    hash,
  });
}

function parsed(text: unknown): Fields | undefined {
  if (isFields(text)) return text;
  try {
    const value: unknown = JSON.parse(textOf(text));
    return isFields(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
