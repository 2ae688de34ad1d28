import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import type { Example } from './example.ts';
import { pkce } from './flow.ts';

/** A token that the app gets, asked for by the app's own credentials and with what its person allowed it. */
export async function tokenFor(example: Example, page: Page, service: string): Promise<string> {
  const { code_verifier, ...challenge } = pkce();
  const { client_id, client_secret, redirect_uri } = example.client;
  const scope = 'openid profile email haru:profile haru:data notes:read';
  const query = new URLSearchParams({ client_id, redirect_uri, response_type: 'code', scope, state: 's', ...challenge });
  // The app takes no code for which it did not ask, and leaves it to us.
  await page.goto(`${example.munjigi}/oauth/authorize?${query}`);
  const code = new URL(page.url()).searchParams.get('code');
  assert.ok(code, page.url());
  const own = await ask(example, { grant_type: 'authorization_code', code, redirect_uri, code_verifier }, client_id, client_secret);
  const exchange = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: own,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    audience: service,
  };
  return ask(example, exchange, client_id, client_secret);
}

async function ask(example: Example, parameters: Record<string, string>, id: string, secret: string): Promise<string> {
  const response = await fetch(`${example.munjigi}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
    body: new URLSearchParams(parameters),
  });
  const body = (await response.json()) as { access_token?: string };
  assert.ok(body.access_token, JSON.stringify(body));
  return body.access_token;
}
