import assert from 'node:assert/strict';
import { newPrivateKey } from '../../src/features/federation/administration.ts';
import { unseal } from '../../src/features/federation/held-tokens.ts';
import { saveProvider } from '../../src/features/federation/providers.ts';
import { KeyRing } from '../../src/platform/secrets.ts';
import { openAccount, send } from './account.ts';
import type { TestServer } from './environment.ts';
import { proveMailbox } from './factors.ts';
import { addProvider, type TestUpstream, UPSTREAM_CLIENT } from './upstream.ts';
import { answerOf, leaveFor, linkAt } from './upstream-link.ts';

/**
 * Links an account at a provider, and unlinks it. @param look called wherever something else is stored.
 * @returns every secret that passed between us and the provider, by name.
 */
export async function linkOnce(
  server: TestServer,
  upstream: TestUpstream,
  look: () => Promise<void> = async () => {},
): Promise<Record<string, string>> {
  const keyRing = new KeyRing(server.config.dataEncryptionKeys);
  await addProvider(server, upstream);
  const key = await newPrivateKey();
  const settings = { issuer: upstream.issuer, clientId: 'by-key', clientAuthMethod: 'private_key_jwt', privateNetwork: true };
  await saveProvider(server.database, keyRing, { id: 'by-key', name: 'By key', settings, credentials: key, services: [] });

  const person = await server.createPerson();
  const page = await openAccount(server, person, '/account/links');
  await proveMailbox(server, person);
  const wish = linkAt(page)?.split('wish=')[1];
  await proveMailbox(server, person);
  const away = await leaveFor(page);
  await look();
  const answer = await answerOf(away);
  const linked = await page.person.open(answer);
  assert.equal(linked.url.search, '?done');
  await look();
  const rows = await server.sql(`select id, access_token, refresh_token from upstream_token`);
  const [held] = rows;
  assert(held && rows.length === 1);
  await send(linked, '/account/links', { unlink: 'far' });
  await look();
  const redeemed = upstream.asked.find(({ path }) => path === '/token')?.parameters;
  const secrets = {
    'proof that a link was chosen': wish,
    'upstream client secret': UPSTREAM_CLIENT.secret,
    'private key for a provider': (JSON.parse(key) as { d: string }).d,
    'upstream state': away.searchParams.get('state'),
    'upstream nonce': away.searchParams.get('nonce'),
    'upstream code': redeemed?.get('code'),
    'upstream code verifier': redeemed?.get('code_verifier'),
    'upstream access token': unseal(keyRing, String(held['id']), String(held['access_token'])),
    'upstream refresh token': unseal(keyRing, String(held['id']), String(held['refresh_token'])),
  };
  for (const [name, secret] of Object.entries(secrets)) assert(typeof secret === 'string' && secret.length >= 12, name);
  return secrets as Record<string, string>;
}
