import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import chromium from '@sparticuz/chromium';
import { type BrowserContext, type BrowserContextOptions, chromium as launcher, type Page } from 'playwright-core';
import packageJson from '../../package.json' with { type: 'json' };

/**
 * A real Chromium, for what a browser alone decides: whether CSP lets a redirect through, what a person sees and can reach.
 * It comes from npm for Linux on x64; elsewhere CHROMIUM_PATH names one that is installed.
 * The host `client.example`, and each below it, leads to a client of the test's own, so that the last redirect is a real one. Its `/on?to=` sends the
 * browser on.
 *
 *     const browser = await startBrowser();
 *     after(() => browser.close());
 */
export type TestBrowser = {
  /** A browser of somebody's own: no cookie is shared with another. */
  person(options?: BrowserContextOptions): Promise<BrowserContext>;
  /** What reached the client, newest last: the parameters of the query, or of the form that was posted. */
  arrivals: { method: string; parameters: URLSearchParams }[];
  close(): Promise<void>;
};

export const CLIENT_ORIGIN = 'http://client.example';
export const CLIENT_CALLBACK = `${CLIENT_ORIGIN}/callback`;

// Not the package's own: those switch web security and site isolation off, which is what we come to test.
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
  '--font-render-hinting=none',
];

export async function startBrowser(): Promise<TestBrowser> {
  const arrivals: TestBrowser['arrivals'] = [];
  const client = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const url = new URL(request.url ?? '/', CLIENT_ORIGIN);
    if (url.pathname !== '/favicon.ico')
      arrivals.push({
        method: String(request.method),
        parameters: request.method === 'POST' ? new URLSearchParams(body) : url.searchParams,
      });
    const onward = url.pathname === '/on' ? url.searchParams.get('to') : undefined;
    if (onward) return void response.writeHead(302, { location: onward }).end();
    response.setHeader('content-type', 'text/html').end('<!doctype html><title>client</title><h1>The client</h1>');
  }).listen(0, '127.0.0.1');
  await once(client, 'listening');
  const { port } = client.address() as AddressInfo;
  const browser = await launcher.launch({
    executablePath: process.env['CHROMIUM_PATH'] ?? (await unpackedChromium()),
    args: [...ARGUMENTS, `--host-resolver-rules=MAP client.example 127.0.0.1:${port}, MAP *.client.example 127.0.0.1:${port}`],
    headless: true,
  });
  return {
    arrivals,
    async person(options = {}) {
      const context = await browser.newContext({ locale: 'en-US', ...options });
      context.setDefaultTimeout(15_000);
      return context;
    },
    async close() {
      await browser.close();
      client.closeAllConnections();
      client.close();
    },
  };
}

/** Everything the browser refused or complained about on a page, such as a policy that was broken. Call it before the page is opened. */
export function complaints(page: Page): string[] {
  const heard: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) heard.push(message.text());
  });
  page.on('pageerror', (error) => heard.push(error.message));
  return heard;
}

/**
 * The package unpacks to one fixed place, and takes a file that another process is still writing for the browser.
 * Here each process unpacks into a folder of its own, and the first to be done puts it in place.
 */
async function unpackedChromium(): Promise<string> {
  const home = join(import.meta.dirname, `../../.data/test/chromium-${packageJson.devDependencies['@sparticuz/chromium']}`);
  if (!existsSync(home)) {
    await mkdir(dirname(home), { recursive: true });
    const own = await mkdtemp(`${home}-`);
    const before = process.env['TMPDIR'];
    process.env['TMPDIR'] = own;
    try {
      await chromium.executablePath();
    } finally {
      if (before === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = before;
    }
    await rename(own, home).catch(() => rm(own, { recursive: true }));
  }
  return join(home, 'chromium');
}
