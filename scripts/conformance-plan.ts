import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

/**
 * Writes the configuration that the OpenID Foundation's conformance suite wants: where the server is, and what the suite's scripted browser
 * does on each page. docs/conformance.md says how to use it.
 */

const HELP = `Usage: node scripts/conformance-plan.ts oidcc|fapi2 --issuer URL [--suite URL] [--demo FILE]

  Prints a test plan configuration for the OpenID Foundation's conformance suite.

  oidcc         the plans of OpenID Connect: the suite registers its clients itself
  fapi2         FAPI 2.0: registers two clients at the issuer, and prints their private keys
  --issuer URL  where the server runs; it must use https
  --suite URL   where the suite runs, for fapi2 alone: the redirect URIs of the two clients are there
  --demo FILE   the demo account. Default: .data/demo.json
  --help        shows this
`;

type Command = (string | number)[];
type Task = { task: string; match: string; optional?: boolean; commands?: Command[] };
type Visit = { match: string; 'match-limit'?: number; tasks: Task[] };

type Demo = { email: string; password: string };

/** What the browser does on our pages. It fills in the sign-in form, and presses one button: no box is ticked or cleared. */
function pagesOf(issuer: string, { email, password }: Demo) {
  const authorize = `${issuer}/oauth/authorize*`;
  const logout = `${issuer}/oauth/logout*`;
  const interaction = `${issuer}/interaction/*`;
  const field = (name: string) => `form[action$='/login'] input[name=${name}]`;
  const screenshot = (text: string): Command => ['wait', 'xpath', '//*', 10, text, 'update-image-placeholder'];

  const signIn: Task = {
    task: 'Sign in',
    optional: true,
    match: interaction,
    commands: [
      ['text', 'css', field('email'), email, 'optional'],
      ['text', 'css', field('password'), password, 'optional'],
      ['click', 'css', "form[action$='/login'] button[type=submit]", 'optional'],
    ],
  };
  const allow: Task = {
    task: 'Allow',
    optional: true,
    match: interaction,
    commands: [['click', 'css', 'button[name=decision][value=approve]', 'optional']],
  };
  const returned: Task = { task: 'Verify complete', match: '*/test/*/callback*', commands: [['wait', 'id', 'submission_complete', 10]] };
  const confirm: Task = { task: 'Sign out', match: logout, commands: [['click', 'css', 'button[name=logout][value=yes]']] };
  const signedIn: Visit = { match: authorize, tasks: [signIn, allow, returned] };

  return {
    signedIn,
    /** A second visit must show the sign-in page again: the suite wants a picture of it. */
    signedInAgain: {
      match: authorize,
      tasks: [
        {
          ...signIn,
          commands: [
            ['wait', 'xpath', '//*', 10, 'Sign in', 'update-image-placeholder-optional'],
            ...(signIn.commands as Command[]),
          ] as Command[],
        },
        allow,
        returned,
      ],
    },
    /** The suite wants a picture of the consent page, with the app's logo and links, and then it is done. */
    consentSeen: {
      match: authorize,
      tasks: [signIn, { task: 'Look at the consent page', match: interaction, commands: [screenshot('asks for access')] }],
    } satisfies Visit,
    looked: {
      match: authorize,
      'match-limit': 1,
      tasks: [{ task: 'Look at the sign-in page', match: interaction, commands: [['wait', 'xpath', '//*', 10, 'Sign in']] }],
    } satisfies Visit,
    denied: {
      match: authorize,
      tasks: [signIn, { task: 'Deny', match: interaction, commands: [['click', 'css', 'button[name=decision][value=deny]']] }, returned],
    } satisfies Visit,
    refused: {
      match: authorize,
      tasks: [{ task: 'Error page', match: authorize, commands: [screenshot('is not valid|not registered')] }],
    } satisfies Visit,
    signedOutAndReturned: { match: logout, tasks: [confirm, { task: 'Return', match: '*/test/*/post*' }] } satisfies Visit,
    signedOutHere: {
      match: logout,
      tasks: [confirm, { task: 'Signed out', match: `${issuer}/oauth/logout/success*`, commands: [screenshot('You are signed out')] }],
    } satisfies Visit,
    /** The suite asks for a picture of an error page or of a question. Ours asks, and says that the way back to the app is not trusted. */
    asked: {
      match: logout,
      tasks: [{ task: 'Sign out?', match: logout, commands: [screenshot('could not confirm')] }],
    } satisfies Visit,
  };
}

function oidcc(issuer: string, demo: Demo) {
  const pages = pagesOf(issuer, demo);
  const each = (names: string[], ...browser: Visit[]) => Object.fromEntries(names.map((name) => [name, { browser }]));
  return {
    alias: 'munjigi',
    description: 'Munjigi, OpenID Connect',
    server: { discoveryUrl: `${issuer}/.well-known/openid-configuration`, login_hint: demo.email },
    client: { client_name: 'first-openid-client' },
    client2: { client_name: 'second-openid-client' },
    browser: [pages.signedIn, pages.signedOutAndReturned],
    override: {
      ...each(['oidcc-prompt-login', 'oidcc-max-age-1'], pages.signedInAgain),
      ...each(
        [
          'oidcc-ensure-registered-redirect-uri',
          'oidcc-ensure-request-object-with-redirect-uri',
          'oidcc-ensure-redirect-uri-in-authorization-request',
          'oidcc-redirect-uri-query-mismatch',
          'oidcc-redirect-uri-query-added',
        ],
        pages.refused,
      ),
      ...each(['oidcc-registration-logo-uri', 'oidcc-registration-policy-uri', 'oidcc-registration-tos-uri'], pages.consentSeen),
      ...each(
        [
          'oidcc-rp-initiated-logout-bad-post-logout-redirect-uri',
          'oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri',
          'oidcc-rp-initiated-logout-modified-id-token-hint',
          'oidcc-rp-initiated-logout-bad-id-token-hint',
        ],
        pages.signedIn,
        pages.asked,
      ),
      ...each(
        [
          'oidcc-rp-initiated-logout-no-id-token-hint',
          'oidcc-rp-initiated-logout-no-params',
          'oidcc-rp-initiated-logout-no-post-logout-redirect-uri',
          'oidcc-rp-initiated-logout-only-state',
        ],
        pages.signedIn,
        pages.signedOutHere,
      ),
    },
  };
}

async function fapi2(issuer: string, demo: Demo, suite: string) {
  const pages = pagesOf(issuer, demo);
  const module = (name: string) => `fapi2-security-profile-final-${name}`;
  return {
    alias: 'munjigi-fapi2',
    description: 'Munjigi, FAPI 2.0',
    server: { discoveryUrl: `${issuer}/.well-known/openid-configuration` },
    client: await registerFapiClient(issuer, suite, 'first'),
    client2: await registerFapiClient(issuer, suite, 'second'),
    resource: { resourceUrl: `${issuer}/oauth/userinfo` },
    browser: [pages.signedIn],
    override: {
      [module('par-ensure-reused-request-uri-prior-to-auth-completion-succeeds')]: { browser: [pages.looked, pages.signedIn] },
      [module('user-rejects-authentication')]: { browser: [pages.denied] },
    },
  };
}

async function registerFapiClient(issuer: string, suite: string, name: string) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { d, ...key } = privateKey.export({ format: 'jwk' });
  const publicJwk = { ...key, kid: name, alg: 'ES256', use: 'sig' };
  const callback = `${suite}/test/a/munjigi-fapi2/callback`;
  const response = await fetch(`${issuer}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: `FAPI, ${name} client`,
      fapi_profile: '2.0',
      jwks: { keys: [publicJwk] },
      redirect_uris: [callback, `${callback}?dummy1=lorem&dummy2=ipsum`],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'private_key_jwt',
      id_token_signed_response_alg: 'ES256',
    }),
  });
  if (!response.ok) throw new Error(`${issuer} refused the ${name} client: ${await response.text()}`);
  const { client_id } = (await response.json()) as { client_id: string };
  return { client_id, scope: 'openid profile email', jwks: { keys: [{ ...publicJwk, d }] }, dpop_signing_alg: 'ES256' };
}

const withoutSlash = (url: string) => url.replace(/\/$/, '');

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      issuer: { type: 'string' },
      suite: { type: 'string' },
      demo: { type: 'string', default: '.data/demo.json' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const [kind, ...others] = positionals;
  if (others.length > 0 || (kind !== 'oidcc' && kind !== 'fapi2')) throw new Error('name one kind of plan: oidcc or fapi2');
  if (!values.issuer) throw new Error('--issuer is missing');
  if (kind === 'fapi2' && !values.suite) throw new Error('--suite is missing');
  const issuer = withoutSlash(values.issuer);
  const demo: Demo = JSON.parse(readFileSync(values.demo, 'utf8'));
  const plan = kind === 'oidcc' ? oidcc(issuer, demo) : await fapi2(issuer, demo, withoutSlash(values.suite as string));
  process.stdout.write(`${JSON.stringify(plan, null, 2)}\n`);
}

try {
  await main();
} catch (error) {
  console.error(`conformance-plan: ${(error as Error).message}`);
  process.exitCode = 1;
}
