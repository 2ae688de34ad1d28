import { createHash } from 'node:crypto';
import { type Collected, type Fields, isFields, leaveBehind } from './draft.ts';

/**
 * Owns the shapes in which Auth0 gives applications: an answer of its API, one page of several, and what deploy-cli exports.
 * @see https://auth0.com/docs/deploy-monitor/deploy-cli-tool
 */

const SIGN_IN = "users sign in on this server's own pages";
const REASONS: Record<string, string> = {
  resourceServers: 'an API is made in the developer portal, or by munjigi resource-servers create, with its scopes',
  clientGrants: 'a client names its scopes here, and an API decides which it accepts',
  connections: 'identity providers are added by munjigi providers add, with their secrets',
  databases: 'users are imported by --from users, with their password hashes',
  roles: 'there are no roles in tokens here: an API keeps its own',
  organizations: 'there are no organizations here',
  emailProvider: 'mail is sent as SMTP_URL says',
  emailTemplates: 'this server writes its mails, in Korean and English',
  pages: SIGN_IN,
  prompts: SIGN_IN,
  branding: SIGN_IN,
  themes: SIGN_IN,
  rules: 'nothing of a tenant runs within this server',
  hooks: 'nothing of a tenant runs within this server',
  actions: 'nothing of a tenant runs within this server',
  triggers: 'nothing of a tenant runs within this server',
  guardianFactors: 'every user may add passkeys and an authenticator app here',
  attackProtection: 'this server limits tries by itself',
  tenant: 'there is one place here, and its settings are in docs/configuration.md',
};
const OTHERWISE = 'this server has nothing like it';

/** @returns false when it is no document of Auth0. */
export function takeTenant(document: unknown, into: Collected): boolean {
  if (isFields(document) && !('clients' in document)) return isApplication(document) && into.clients.push(document) > 0;
  const list = isFields(document) ? document['clients'] : document;
  if (!Array.isArray(list) || !list.every(isApplication)) return false;
  into.clients.push(...list);
  if (isFields(document)) takeRest(document, list.length, into);
  return true;
}

// Hydra's clients have redirect_uris, and Keycloak's have a clientId. In deploy-cli's files an application has no client_id.
function isApplication(client: unknown): client is Fields {
  if (!isFields(client) || 'redirect_uris' in client || 'clientId' in client) return false;
  return (
    typeof client['client_id'] === 'string' ||
    (typeof client['name'] === 'string' && ('app_type' in client || 'callbacks' in client || 'grant_types' in client))
  );
}

function takeRest({ clients: _taken, total, start, limit, length, next, ...others }: Fields, taken: number, into: Collected): void {
  const more = typeof total === 'number' && total > taken ? `these are ${taken} of ${total} applications` : '';
  if (more || next)
    into.beside.push({
      field: more ? 'total' : 'next',
      outcome: 'dropped',
      from: String(more ? total : 'more'),
      why: `${more || 'this is one page of several'}: fetch the other pages too, and import each of them`,
    });
  leaveBehind(into.beside, others, REASONS, OTHERWISE);
}

/** In a folder of deploy-cli each kind of thing has a folder of its own. A tenant.yaml has all of them. */
export function leavesFile(name: string): string | undefined {
  const [folder = '', ...rest] = name.split(/[\\/]/);
  if (!rest.length) return /^tenant\.ya?ml$/.test(folder) ? undefined : REASONS['tenant'];
  if (folder === 'clients') return undefined;
  const kind = folder.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  return (
    REASONS[kind] ?? (folder === 'grants' ? REASONS['clientGrants'] : folder.endsWith('connections') ? REASONS['connections'] : OTHERWISE)
  );
}

/** deploy-cli replaces @@NAME@@ by a value. Without quotes around it the file is neither JSON nor YAML. */
export const quoteKeywords = (text: string): string => text.replace(/(?<=(?:[:,[]|^ *-)[ \t]*)@@[\w-]+@@(?=\s*(?:[,\]}#]|$))/gm, '"$&"');

/** A client id for an application whose file has none: the same one each time. */
export function idFromName(name: string): string {
  const slug = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 60);
  if (/^[\x20-\x7e]+$/.test(name) && slug) return slug;
  return name && [slug, createHash('sha256').update(name).digest('hex').slice(0, 8)].filter(Boolean).join('-');
}
