import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { beginDevice, createDeviceClient, poll, typeCode } from './device.ts';
import type { TestServer } from './environment.ts';
import { authorizePath, callApi, introspect, pkce, post, redeem, refresh, type Tokens } from './flow.ts';
import { Person } from './person.ts';
import { askToRegister, METADATA, manage, type RegisteredClient } from './registration.ts';

/**
 * Everything that a client and a person do here, from registration to signing out, with a look taken after each step.
 * @returns each secret thing that travelled, by name: what must turn up neither in the database nor in the log.
 */
export async function liveOnce(server: TestServer, look: () => Promise<void> = async () => {}): Promise<Record<string, string>> {
  const secrets: Record<string, string> = {};
  const browser = new Person(server.issuer);
  const keep = (name: string, value: unknown) => {
    assert(typeof value === 'string' && value.length >= 12, `${name} is ${value}`);
    secrets[name] = value;
    return value;
  };
  const step = async (where: string) => {
    for (const pair of browser.cookies()) {
      const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)];
      // What a person chose, and which app sent them: neither opens anything.
      if (!/^(language|app)/.test(name)) keep(`cookie ${name} (${where})`, value);
    }
    await look();
  };

  const client = await registerAndManage(server, keep);
  await step('registered');
  await signInAndConsent(server, browser, client, keep, step);
  Object.assign(secrets, await liveOnDevice(server, browser, keep, step));
  await clientOfItsOwn(server, keep);
  await step('client assertion');
  await goWrong(server, client, keep);
  await signOut(browser, keep);
  await step('signed out');
  return secrets;
}

type Keep = (name: string, value: unknown) => string;

async function registerAndManage(server: TestServer, keep: Keep): Promise<RegisteredClient> {
  const registered = (await (await askToRegister(server, METADATA)).json()) as RegisteredClient;
  keep('client secret', registered.client_secret);
  keep('registration access token', registered.registration_access_token);
  const metadata = { ...METADATA, client_id: registered.client_id, client_secret: registered.client_secret };
  const updated = (await (await manage(server, registered, 'PUT', metadata)).json()) as RegisteredClient;
  keep('second registration access token', updated.registration_access_token);
  return { ...registered, redirect_uri: METADATA.redirect_uris[0] as string };
}

async function signInAndConsent(
  server: TestServer,
  browser: Person,
  client: RegisteredClient,
  keep: Keep,
  step: (where: string) => Promise<void>,
): Promise<void> {
  const person = await server.createPerson();
  keep('password', person.password);
  const { code_verifier, ...challenge } = pkce();
  keep('code verifier', code_verifier);
  const signIn = await browser.open(authorizePath(client, { ...challenge, scope: 'openid profile email api', login_hint: person.email }));
  keep('interaction uid', signIn.url.pathname.split('/').at(-1));
  keep('csrf token of sign-in', signIn.form().hidden['csrf']);
  await step('sign-in page');
  const failed = await signIn.submit({ email: person.email, password: keep('wrong password', 'wrong-password-xyz') });
  assert.equal(failed.response.status, 401);
  const consent = await failed.submit({ email: person.email, password: person.password });
  keep('second interaction uid', consent.url.pathname.split('/').at(-1));
  keep('csrf token of consent', consent.form().hidden['csrf']);
  await step('consent page');
  const { url } = await consent.submit({ scope: consent.optionalScopes, decision: 'approve' });
  const code = keep('code', url.searchParams.get('code'));
  await step('code');
  const tokens = (await (await redeem(server, client, { code, code_verifier, redirect_uri: client.redirect_uri })).json()) as Tokens;
  await step('tokens');
  const next = (await (await refresh(server, client, String(tokens.refresh_token))).json()) as Tokens;
  for (const [name, value] of Object.entries({ first: tokens, second: next })) {
    for (const kind of ['access_token', 'refresh_token', 'id_token'] as const) keep(`${name} ${kind}`, value[kind]);
    assert.equal((await introspect(server, client, value.access_token))['active'], true);
    assert.equal((await callApi(server, '/api/me', value.access_token)).status, 200);
  }
  await step('refreshed');
  assert.equal((await post(server, '/oauth/revoke', client, { token: tokens.access_token })).status, 200);
}

async function liveOnDevice(server: TestServer, browser: Person, keep: Keep, step: (where: string) => Promise<void>) {
  const client = await createDeviceClient(server);
  const { device_code, user_code } = await beginDevice(server, client);
  keep('device code', device_code);
  await step('device');
  const confirm = await typeCode(server, user_code, browser);
  await step('device confirmed');
  const consent = await confirm.submit({ decision: 'approve' });
  await step('device answered for');
  keep('uid of an interaction for a device', consent.url.pathname.split('/').at(-1));
  await consent.submit({ scope: consent.optionalScopes, decision: 'approve' });
  await step('device allowed');
  const tokens = (await (await poll(server, client, device_code)).json()) as Tokens;
  for (const kind of ['access_token', 'refresh_token', 'id_token'] as const) keep(`${kind} of a device`, tokens[kind]);
  await step('device redeemed');
  // Too short for keep(), as it is shown and as it is typed.
  return { 'user code': user_code, 'user code without its hyphen': user_code.replace('-', '') };
}

async function clientOfItsOwn(server: TestServer, keep: Keep): Promise<void> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const { client_id } = await server.createClient({
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [await exportJWK(publicKey)] },
  });
  const sign = async (name: string) =>
    keep(
      name,
      await new SignJWT({ jti: keep(`jti of ${name}`, randomUUID()) })
        .setProtectedHeader({ alg: 'ES256' })
        .setIssuer(client_id)
        .setSubject(client_id)
        .setAudience(server.issuer)
        .setIssuedAt()
        .setExpirationTime('1m')
        .sign(privateKey),
    );
  const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
  const granted = await post(server, '/oauth/token', undefined, {
    grant_type: 'client_credentials',
    client_assertion_type,
    client_assertion: await sign('assertion'),
  });
  keep('own access token', ((await granted.json()) as Tokens).access_token);
  const { code_verifier: _, ...challenge } = pkce();
  const pushed = await post(server, '/oauth/par', undefined, {
    client_id,
    client_assertion_type,
    client_assertion: await sign('assertion of a pushed request'),
    response_type: 'code',
    redirect_uri: 'https://client.example/callback',
    ...challenge,
  });
  const { request_uri } = (await pushed.json()) as { request_uri: string };
  keep('request_uri', request_uri.split(':').at(-1));
}

/** What is sent by mistake is no less secret. */
async function goWrong(server: TestServer, client: RegisteredClient, keep: Keep): Promise<void> {
  const token = keep('unknown token', 'no-such-token-anywhere');
  const wrong = { ...client, client_secret: keep('wrong client secret', 'no-such-secret-anywhere') };
  for (const path of ['/oauth/token', '/oauth/introspect', '/oauth/revoke', '/oauth/par'])
    for (const who of [client, wrong])
      await post(server, path, who, { grant_type: 'refresh_token', refresh_token: token, token, code: token, code_verifier: token });
  await callApi(server, '/api/me', token);
  await callApi(server, '/api/posts', token);
  await callApi(server, `/api/me?access_token=${token}`, token);
  await manage(server, { ...client, registration_access_token: token }, 'GET');
  await fetch(`${server.issuer}/oauth/authorize/${token}?code=${token}`, { headers: { cookie: `session=${token}; resume=${token}` } });
  await fetch(`${server.issuer}/interaction/${token}/login`, { method: 'POST', body: new URLSearchParams({ password: token }) });
  await fetch(`${server.issuer}/nowhere?token=${token}`);
  await fetch(`${server.issuer}/oauth/userinfo`, { headers: { authorization: `Bearer ${token}` } });
}

async function signOut(browser: Person, keep: Keep): Promise<void> {
  const page = await browser.open('/oauth/logout');
  keep('token of the sign-out form', page.form().hidden['xsrf']);
  assert.equal((await page.submit({ logout: 'yes' })).response.status, 200);
}
