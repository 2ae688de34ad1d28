import { type Collected, type Fields, isFields, leaveBehind, textOf } from './draft.ts';

/**
 * Owns the shape of a document of Keycloak or of keycloak-config-cli, and what lies beside the clients and users of a realm.
 * @see https://www.keycloak.org/docs-api/latest/javadocs/org/keycloak/representations/idm/RealmRepresentation.html for the fields
 */

const ROLES = 'there are no roles in tokens here: an API keeps its own';
const LIFETIMES = 'how long tokens live is said by the API that they are for, and sessions live equally long for every client';
const MAIL = 'mail is sent as SMTP_URL says';
const SIGN_IN = 'users sign in the same way for every client here';
const FACTORS = 'every user may add passkeys and an authenticator app here';
const SIGN_UP = 'users sign up, and reset a password, on the pages of this server';
const LOOKS = 'the pages of this server have one look, in Korean and English';
const LIMITS = 'this server limits tries by itself';
const KEYS = 'this server signs with keys of its own: APIs read them at /oauth/jwks';

const REASONS: Record<string, string> = {
  roles: ROLES,
  defaultRole: ROLES,
  defaultRoles: ROLES,
  scopeMappings: ROLES,
  clientScopeMappings: ROLES,
  groups: 'there are no groups here: an API keeps its own',
  defaultGroups: 'there are no groups here: an API keeps its own',
  clientScopes: 'client scopes are scopes of an API here: make the API, with its scopes, and run this again with --update',
  defaultDefaultClientScopes: 'a client names its own scopes here',
  defaultOptionalClientScopes: 'a client names its own scopes here',
  identityProviders: 'identity providers are added by munjigi providers add, with their secrets',
  identityProviderMappers: 'claims of identity providers follow from their profile here',
  smtpServer: `smtp: ${MAIL}`,
  organizations: 'there are no organizations here',
  organizationsEnabled: 'there are no organizations here',
  browserSecurityHeaders: 'this server sets security headers by itself',
  eventsEnabled: 'the audit log has every event',
  eventsExpiration: 'the audit log has every event, for a year',
  eventsListeners: 'the audit log has every event',
  enabledEventTypes: 'the audit log has every event',
  adminEventsEnabled: 'the audit log has every event',
  adminEventsDetailsEnabled: 'the audit log has every event',
  passwordPolicy: 'this server has its own rules for passwords: length and guessability',
  authenticationFlows: SIGN_IN,
  authenticatorConfig: SIGN_IN,
  requiredActions: SIGN_IN,
  requiredCredentials: SIGN_IN,
  components: KEYS,
  protocolMappers: 'claims follow from scopes here',
  internationalizationEnabled: LOOKS,
  supportedLocales: LOOKS,
  defaultLocale: LOOKS,
  registrationAllowed: SIGN_UP,
  resetPasswordAllowed: SIGN_UP,
  verifyEmail: SIGN_UP,
  rememberMe: 'a session lives equally long in every browser here',
  sslRequired: 'this server answers at the ISSUER, which has https in production',
  clientPolicies: 'the rules of the registration endpoint judge every client here',
  clientProfiles: 'the rules of the registration endpoint judge every client here',
  federatedUsers: 'users of another directory are not in this file',
  userFederationProviders: 'this server has users of its own alone',
};

const PATTERNS: [RegExp, string][] = [
  [/(Lifespan|Timeout|Lifetime|MaxReuse|revokeRefreshToken)/i, LIFETIMES],
  [/Flow(Override)?$/, SIGN_IN],
  [/^(otp|webAuthn)/, FACTORS],
  [/Theme$/, LOOKS],
  [/^(bruteForce|failureFactor|permanentLockout|maxFailure|maxDelta|minimumQuick|waitIncrement|quickLogin|maxTemporary)/, LIMITS],
];

const OTHERWISE = 'this server has nothing like it';
const TAKEN = [
  'realm',
  'id',
  'clients',
  'users',
  'enabled',
  'displayName',
  'displayNameHtml',
  'keycloakVersion',
  'notBefore',
  'attributes',
];

/** @returns false when it is no document of Keycloak. */
export function takeRealms(document: unknown, into: Collected): boolean {
  if (Array.isArray(document)) return takeList(document, into);
  if (!isFields(document)) return false;
  if (isClient(document)) return into.clients.push(document) > 0;
  if (!isRealm(document)) return false;
  takeRealm(document, into);
  return true;
}

/** An array has realms or clients. What is neither refuses the whole file, unless it is no object at all. */
function takeList(list: unknown[], into: Collected): boolean {
  const objects = list.filter(isFields);
  if (!objects.every((one) => isClient(one) || isRealm(one))) return false;
  for (const one of list)
    if (isFields(one) && isRealm(one)) takeRealm(one, into);
    else into.clients.push(isFields(one) ? one : {});
  return true;
}

// Hydra and Auth0 write `client_id` with an underscore.
const isClient = (one: Fields): boolean => 'clientId' in one && !('client_id' in one);

function isRealm(one: Fields): boolean {
  const clients = one['clients'];
  if (clients !== undefined && !(Array.isArray(clients) && clients.every((client) => !isFields(client) || isClient(client)))) return false;
  return typeof one['realm'] === 'string' || clients !== undefined || ('users' in one && !('Users' in one));
}

function takeRealm(realm: Fields, into: Collected): void {
  for (const client of Array.isArray(realm['clients']) ? realm['clients'] : []) into.clients.push(isFields(client) ? client : {});
  const others = Object.fromEntries(Object.entries(realm).filter(([field]) => !TAKEN.includes(field)));
  const reasons = Object.fromEntries(Object.keys(others).map((field) => [field, reasonFor(field)]));
  leaveBehind(into.beside, others, reasons, OTHERWISE);
  if (isFields(realm['attributes'])) {
    const attributes = Object.fromEntries(Object.entries(realm['attributes']).map(([name, value]) => [`attributes.${name}`, value]));
    leaveBehind(into.beside, attributes, Object.fromEntries(Object.keys(attributes).map((name) => [name, reasonFor(name)])), OTHERWISE);
  }
  if (realm['enabled'] === false)
    into.beside.push({
      field: 'enabled',
      outcome: 'dropped',
      from: 'false',
      why: `the realm ${textOf(realm['realm'])} is disabled there, and its clients are not suspended here for that`,
    });
}

const reasonFor = (field: string): string => REASONS[field] ?? PATTERNS.find(([pattern]) => pattern.test(field))?.[1] ?? OTHERWISE;
