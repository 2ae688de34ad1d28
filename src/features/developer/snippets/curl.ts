import { ROUTES } from '../../../oauth/routes.ts';
import type { Tried } from '../try/client.ts';
import { inShell } from './quoting.ts';

/** Owns a client's requests as commands to copy. They never contain a secret: the command reads it from the environment. */

/** @param parameters the body's parameters, without those for client authentication. */
export function curlTo(issuer: string, route: 'token' | 'device_authorization', client: Tried, parameters: Record<string, string>): string {
  return [
    `curl -sS ${inShell(issuer + ROUTES[route])}`,
    ...proof(client),
    ...Object.entries(parameters).map(([name, value]) => `--data-urlencode ${inShell(`${name}=${value}`)}`),
  ].join(' \\\n  ');
}

/**
 * @returns the arguments for client authentication. HTTP Basic percent-encodes both parts (RFC 6749 section 2.3.1); our secrets need no
 * encoding.
 */
export function proof({ id, authMethod }: Tried): string[] {
  const named = `--data-urlencode ${inShell(`client_id=${id}`)}`;
  if (authMethod === 'client_secret_basic') return [`-u ${inShell(`${encodeURIComponent(id)}:`)}"$CLIENT_SECRET"`];
  if (authMethod === 'client_secret_post') return [named, '--data-urlencode "client_secret=$CLIENT_SECRET"'];
  if (authMethod !== 'private_key_jwt') return [named];
  return [
    named,
    '--data-urlencode client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    '--data-urlencode "client_assertion=$CLIENT_ASSERTION"',
  ];
}

/** @returns the two requests of a device (RFC 8628 sections 3.1 and 3.4). */
export function deviceCurl(issuer: string, client: Tried, asked: { scope: string; resource?: string }): string {
  return [
    '# 1. Ask for a code, and show user_code and verification_uri to the person.',
    curlTo(issuer, 'device_authorization', client, asked),
    '',
    '# 2. Ask every five seconds until there is an answer, with the device_code of the first.',
    `${curlTo(issuer, 'token', client, { grant_type: 'urn:ietf:params:oauth:grant-type:device_code' })} \\\n  --data-urlencode "device_code=$DEVICE_CODE"`,
  ].join('\n');
}

/** @returns a call of an API with the token that the environment has. */
export const callCurl = (api: string): string => `curl -sS -H "Authorization: Bearer $ACCESS_TOKEN" ${inShell(api)}`;
