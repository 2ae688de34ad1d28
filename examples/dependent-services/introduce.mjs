import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Stop, step } from '../../scripts/bootstrap/say.mjs';

/** How those who run the four servers make them known to one another, once: by the commands and requests that you would use for yours. */

const random = (bytes) => randomBytes(bytes).toString('base64url');

export const haruPerson = () => ({ email: 'bora@haru.example', username: 'bora', name: '한보라', password: random(12) });
export const notesClient = () => ({ id: 'munjigi', secret: random(32) });

/** @returns the client that the app is at Munjigi. */
export async function introduce({ household, environments, known, dataDir }) {
  const { munjigi, haru, notes, app } = known.places;
  const at =
    (name) =>
    (...args) =>
      step(`${name}$ munjigi ${args.map(quoted).join(' ')}`, () => household.run('scripts/munjigi.ts', args, environments[name]));
  const operator = at('munjigi');

  // An OpenID Connect provider says the rest itself. It knows Munjigi by a key, whose private half never leaves.
  await operator(
    'providers',
    ...['add', 'haru', '--name', 'Haru', '--issuer', haru.url, '--client-id', 'munjigi', '--auth', 'private_key_jwt', '--private-network'],
    ...['--service', 'profile=profile; 내 이름 보기; See your name there'],
    ...['--service', 'data=api; 내 데이터 읽기; Read your data there'],
    '--yes',
  );
  await step('Haru makes its person, and Munjigi as a client', () =>
    household.run('examples/dependent-services/set-up.ts', ['haru'], {
      ...environments.haru,
      HARU_PERSON: JSON.stringify(known.haruPerson),
      HARU_CLIENT: JSON.stringify({ issuer: munjigi.url, provider: 'haru' }),
    }),
  );
  // A client on this very machine would be asked about each time, if nobody had vouched for it.
  await at('haru')('clients', 'verify', 'munjigi', '--publisher', 'Munjigi', '--yes');

  const [settings, secret] = [join(dataDir, 'notes-provider.json'), join(dataDir, 'notes-secret')];
  writeFileSync(settings, `${JSON.stringify(notesSettings(notes.url), null, 2)}\n`);
  writeFileSync(secret, known.notesClient.secret, { mode: 0o600 });
  await operator(
    'providers',
    ...['add', 'notes', '--name', 'Notes', '--settings', settings, '--client-id', known.notesClient.id, '--secret-file', secret],
    ...['--private-network', '--no-sign-in'],
    ...['--service', 'read=whoami notes:read; 내 메모 읽기; Read your notes'],
    '--yes',
  );

  const client = await step('Madang registers itself at Munjigi (RFC 7591)', () => register(munjigi.url, app.url));
  await operator('clients', 'allow-services', client.id, '--services', 'haru,notes', '--yes');
  await operator('clients', 'verify', client.id, '--publisher', 'Madang', '--yes');
  return client;
}

/** Without OpenID Connect nothing can be discovered: the operator says where everything is, and what its answers mean. */
const notesSettings = (url) => ({
  endpoints: { authorization: `${url}/authorize`, token: `${url}/token`, userinfo: `${url}/whoami`, revocation: `${url}/revoke` },
  scopes: ['whoami'],
  claims: { subject: 'id', name: 'name' },
});

async function register(issuer, appUrl) {
  const response = await fetch(`${issuer}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'Madang',
      client_uri: `${appUrl}/`,
      redirect_uris: [`${appUrl}/signed-in`, `${appUrl}/connected`],
      post_logout_redirect_uris: [`${appUrl}/`],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    }),
  });
  const client = await response.json();
  if (!response.ok) throw new Stop(`Munjigi refused the registration: ${JSON.stringify(client)}`);
  return { id: client.client_id, secret: client.client_secret };
}

const quoted = (word) => (/^[\w@:/.,=-]+$/.test(word) ? word : `'${word}'`);
