import type { Page } from 'playwright-core';
import { addPasskey, addTotp, forgetSteps, makeRecoveryCodes, proveMailbox, totpCode } from './factors.ts';
import { authorizePath, type Credentials, pkce } from './flow.ts';
import type { Visit } from './tour.ts';
import { signIn } from './visiting.ts';

/** The pages about second factors, for the tour of every page. Each visit has a person of its own, who has set up what it takes. */
export const FACTOR_TOUR: Record<string, (page: Page, visit: Visit) => Promise<void>> = {
  factor: openFactor,
  'failed-factor': async (page, visit) => {
    await openFactor(page, visit);
    await page.fill('input[name=code]', '000000');
    await page.click('main button[type=submit]');
    await page.locator('[role=alert]:not([hidden])').waitFor();
  },
  'factor-unmet': async (page, { server, client }) => {
    await page.goto(server.issuer + authorizePath(client, { ...pkce(), code_verifier: undefined, acr_values: 'phr' }));
    await signIn(page, await server.createPerson());
    await page.locator('button[value=leave]').waitFor();
  },
  factors: async (page, { server }) => openAccountPage(page, server, await equipped(server)),
  'factors-none': async (page, { server }) => openAccountPage(page, server, await server.createPerson()),
  'new-passkey': async (page, { server }) => openToAdd(page, server, '/passkey'),
  'new-totp': async (page, { server }) => openToAdd(page, server, '/totp'),
  'mailbox-proof': async (page, { server }) => {
    await openProof(page, server, await server.createPerson());
  },
  'mailbox-proof-code': async (page, { server }) => {
    await openProof(page, server, await server.createPerson());
    await page.click('main button[type=submit]');
    await page.locator('input[name=code]').waitFor();
  },
  'failed-mailbox-proof': async (page, visit) => {
    await FACTOR_TOUR['mailbox-proof-code']?.(page, visit);
    await page.fill('input[name=code]', '0');
    await page.click('main button[type=submit]');
    await page.locator('[role=alert]').waitFor();
  },
  'failed-totp': async (page, { server }) => {
    await openToAdd(page, server, '/totp');
    await page.fill('input[name=code]', '0');
    await page.click('main button[type=submit]');
    await page.locator('[role=alert]').waitFor();
  },
  'recovery-codes': async (page, visit) => {
    await openCodes(page, visit);
  },
  'recovery-codes-shown': async (page, visit) => {
    await openCodes(page, visit);
    await page.click('main button[type=submit]');
    await page.locator('.codes').waitFor();
  },
};

type Equipped = Credentials & { secret?: string };

/** Somebody with an app, a passkey and recovery codes. */
async function equipped(server: Visit['server']): Promise<Equipped> {
  const credentials = await server.createPerson();
  const { person, secret } = await addTotp(server, credentials);
  await addPasskey(server, credentials, person);
  await makeRecoveryCodes(person);
  await forgetSteps(server, credentials.id);
  return { ...credentials, secret };
}

async function openFactor(page: Page, { server, client }: Visit): Promise<void> {
  const credentials = await equipped(server);
  await page.goto(server.issuer + authorizePath(client, { ...pkce(), code_verifier: undefined }));
  await signIn(page, credentials);
  await page.locator('input[name=code]').waitFor();
}

async function openAccountPage(page: Page, server: Visit['server'], { secret, ...credentials }: Equipped, path = ''): Promise<void> {
  await page.goto(`${server.issuer}/account/factors${path}`);
  await signIn(page, credentials);
  if (secret) {
    await page.fill('input[name=code]', totpCode(secret));
    await page.click('main button[type=submit]');
  }
  await page.waitForURL(`**/account/factors${path}`);
}

/** A page on which a way in is added, for a user who has read the account's mail a moment ago. */
async function openToAdd(page: Page, server: Visit['server'], path: string): Promise<void> {
  const credentials = await server.createPerson();
  await openAccountPage(page, server, credentials);
  await proveMailbox(server, credentials);
  await page.goto(`${server.issuer}/account/factors${path}`);
}

async function openProof(page: Page, server: Visit['server'], credentials: Credentials): Promise<void> {
  await openAccountPage(page, server, credentials);
  await page.goto(`${server.issuer}/account/factors/passkey`);
  await page.waitForURL('**/account/proof/passkey');
}

async function openCodes(page: Page, { server }: Visit): Promise<void> {
  await openAccountPage(page, server, await equipped(server), '/recovery-codes');
}
