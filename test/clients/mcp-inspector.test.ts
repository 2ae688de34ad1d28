import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { startBrowser, type TestBrowser } from '../support/browser.ts';
import { freePort, startTestServer, type TestServer } from '../support/environment.ts';
import { openMcpApi } from '../support/mcp-api.ts';
import { SCOPE } from '../support/owned-apis.ts';
import type { LoopbackApp } from '../support/visitor.ts';

/**
 * The web page of MCP Inspector, in Chromium, with a user who connects, signs in, presses Allow and runs a tool.
 * MCP_INSPECTOR names a folder where npm installed it. It is no dependency of this project: it brings 110 MB, with binaries.
 */

const folder = process.env['MCP_INSPECTOR'] ?? '';
const launcher = join(folder, 'node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js');
const skip = !(folder && existsSync(launcher)) && 'no MCP Inspector: see docs/clients.md';

describe('MCP Inspector', { skip }, () => {
  let server: TestServer;
  let browser: TestBrowser;
  let api: LoopbackApp;
  let home: string;
  before(async () => {
    [server, browser, home] = await Promise.all([startTestServer(), startBrowser(), mkdtemp(join(tmpdir(), 'mcp-inspector-'))]);
    api = await openMcpApi(server);
  });
  after(async () => {
    api.close();
    await Promise.all([server.close(), browser.close()]);
    await rm(home, { recursive: true });
  });

  /** Starts it with the address of the API alone. @returns the address of its page, and what stops it. */
  async function start(): Promise<{ address: string; stop(): Promise<void> }> {
    const child = spawn(process.execPath, [launcher, '--web', '--transport', 'http', '--server-url', `${api.origin}/mcp`], {
      env: {
        HOME: home,
        CLIENT_PORT: String(await freePort()),
        MCP_SANDBOX_PORT: '0',
        MCP_AUTO_OPEN_ENABLED: 'false',
        // Not into the keyring of the machine.
        MCP_INSPECTOR_SECRET_STORE: 'memory',
      },
    });
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const stop = () => {
      child.kill();
      return ended;
    };
    let output = '';
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    for await (const line of createInterface({ input: child.stdout })) {
      output += `${line}\n`;
      const address = /^\s+(http:\S+MCP_INSPECTOR_API_TOKEN=\S+)/.exec(line)?.[1];
      if (address) return { address, stop };
    }
    throw new Error(output);
  }

  it('registers itself, signs a user in, and calls a tool of the API', async () => {
    const user = await server.createPerson();
    const inspector = await start();
    const context = await browser.person();
    try {
      const page = await context.newPage();
      // Its page asks for fonts of another site, which no test reaches.
      await page.route('https://fonts.googleapis.com/**', (route) => route.abort());
      await page.goto(inspector.address);
      // The switch itself has no size: a user clicks what is drawn over it.
      await page.getByRole('switch', { name: 'Connect or disconnect' }).click({ force: true });
      await page.fill('input[name=email]', user.email);
      await page.fill('input[name=password]', user.password);
      await page.press('input[name=password]', 'Enter');
      await page.click('button[value=approve]');
      await page.getByText('Authentication succeeded.').waitFor();
      await page.getByText('Tools', { exact: true }).click();
      await page.getByRole('button', { name: 'whoami' }).click();
      await page.getByRole('button', { name: 'Execute Tool' }).click();
      await page.getByText(user.id).first().waitFor();
      assert.match(await page.locator('body').innerText(), new RegExp(SCOPE.name));
    } finally {
      await context.close();
      await inspector.stop();
    }
  });
});
