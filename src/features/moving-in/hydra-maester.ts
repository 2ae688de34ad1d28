import { type Collected, changed, type Draft, type Fields, isFields, kept, textOf } from './draft.ts';

/**
 * Owns the reading of Kubernetes resources of hydra-maester: a client is an OAuth2Client, and its credentials are in a Secret, if the file
 * has it too.
 * @see https://github.com/ory/hydra-maester
 */

/** Whether it is any resource of Kubernetes, or a list of them. */
export const isResource = (document: unknown): document is Fields =>
  isFields(document) && typeof document['kind'] === 'string' && ('apiVersion' in document || 'metadata' in document);

/** @returns whether it has a client, or is known to have none. */
export function takeResource(resource: Fields, into: Collected): boolean {
  const kind = textOf(resource['kind']);
  const metadata = isFields(resource['metadata']) ? resource['metadata'] : {};
  if (kind === 'List' || kind === 'OAuth2ClientList') {
    for (const item of Array.isArray(resource['items']) ? resource['items'] : []) if (isFields(item)) takeResource(item, into);
  } else if (kind === 'Secret') into.secrets.set(textOf(metadata['name']), resource);
  else if (kind === 'OAuth2Client') into.clients.push(clientOf(metadata, isFields(resource['spec']) ? resource['spec'] : {}));
  else into.beside.push({ field: kind, outcome: 'dropped', from: textOf(metadata['name']), why: 'it is no OAuth2Client' });
  return true;
}

const NAMES: Record<string, string> = {
  backChannelLogoutURI: 'backchannel_logout_uri',
  frontChannelLogoutURI: 'frontchannel_logout_uri',
  backChannelLogoutSessionRequired: 'backchannel_logout_session_required',
  frontChannelLogoutSessionRequired: 'frontchannel_logout_session_required',
  jwksUri: 'jwks_uri',
};

/** Writes the resource's members as Hydra's API does: `redirectUris` as `redirect_uris`. */
function clientOf(metadata: Fields, { scopeArray, secretName, hydraAdmin: _elsewhere, deletionPolicy: _nothing, ...spec }: Fields): Fields {
  const members = Object.entries(spec).map(([name, value]) => [
    NAMES[name] ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ]);
  const scopes = Array.isArray(scopeArray) ? { scope: scopeArray.join(' ') } : undefined;
  return { ...Object.fromEntries(members), ...scopes, client_id: textOf(metadata['name']), [SECRET_NAME]: textOf(secretName) };
}

const SECRET_NAME = 'secretName';

/** Adds the client id and the secret that the resource's Secret has. Without it the name of the resource is the client id. */
export function withCredentials(draft: Draft, { [SECRET_NAME]: name, ...record }: Fields, secrets: Collected['secrets']): Fields {
  if (name === undefined) return record;
  const resource = secrets.get(String(name));
  const [id, secret] = ['CLIENT_ID', 'CLIENT_SECRET'].map((key) => valueIn(resource, key));
  if (id) {
    draft.clientId = id;
    kept(draft, 'client_id', id);
  } else
    changed(draft, 'client_id', {
      from: `CLIENT_ID of the Secret ${String(name)}`,
      to: draft.clientId,
      why: 'the file does not have that Secret: export it into the same file to keep the old client id and secret, or give apps this one',
    });
  return { ...record, ...(secret ? { client_secret: secret } : undefined) };
}

function valueIn(resource: Fields | undefined, key: string): string {
  const plain = isFields(resource?.['stringData']) ? textOf(resource['stringData'][key]) : '';
  const encoded = isFields(resource?.['data']) ? textOf(resource['data'][key]) : '';
  return plain || Buffer.from(encoded, 'base64').toString();
}
