import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { BrowserContextOptions, Page } from 'playwright-core';
import type { TestBrowser } from '../test/support/browser.ts';
import type { Visit } from '../test/support/tour.ts';
import { startPostgres } from './bootstrap/postgres.mjs';

/** Takes the pictures of docs/ from the pages as they are: on a server, a database and a browser of its own. */

const HELP = `Usage: node scripts/screenshots.ts [--all FOLDER [PAGE ...]]

  Takes the pictures of docs/ anew: consent (ko, en, dark), sign-in (ko), connected apps (ko), factors (en),
  providers on the sign-in page (ko), services on the consent page and linked accounts (ko, en), the developer portal (ko),
  Try it (ko, en), recent errors (ko), administration (ko, en).
  It uses what npm test has installed, and the database of the tests: run npm test once before, and not at the same time.

  --all FOLDER  every page instead, or those named, in both languages, light and dark, on a phone and a desktop: for looking at
  --help        shows this
`;

const ROOT = join(import.meta.dirname, '..');
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 };
const DESKTOP = { viewport: { width: 1280, height: 900 }, deviceScaleFactor: 1 };

/** `top`: so many pixels of a page that is long. */
type Shot = { name: string; page: string; options: BrowserContextOptions; top?: number };

const DOCS: Shot[] = [
  { name: 'consent-ko', page: 'consent', options: { ...PHONE, locale: 'ko-KR' } },
  { name: 'consent-en', page: 'consent', options: { ...PHONE, locale: 'en-US' } },
  { name: 'sign-in-ko', page: 'sign-in', options: { ...PHONE, locale: 'ko-KR' } },
  { name: 'account-apps-ko', page: 'account-apps', options: { ...PHONE, locale: 'ko-KR' } },
  { name: 'factors-en', page: 'factors', options: { ...PHONE, locale: 'en-US' } },
  { name: 'sign-in-providers-ko', page: 'sign-in-providers', options: { ...PHONE, locale: 'ko-KR' } },
  { name: 'consent-services-en', page: 'consent-services', options: { ...PHONE, locale: 'en-US' } },
  { name: 'consent-services-ko', page: 'consent-services', options: { ...PHONE, locale: 'ko-KR' } },
  { name: 'account-links-en', page: 'account-links', options: { ...PHONE, locale: 'en-US' } },
  { name: 'account-links-ko', page: 'account-links', options: { ...PHONE, locale: 'ko-KR' } },
  { name: 'developer-ko', page: 'developer', options: { ...PHONE, locale: 'ko-KR' } },
  { name: 'developer-try-ko', page: 'developer-try-tokens', options: { ...PHONE, locale: 'ko-KR' }, top: 1100 },
  { name: 'developer-try-en', page: 'developer-try-tokens', options: { ...PHONE, locale: 'en-US' }, top: 1100 },
  { name: 'developer-errors-ko', page: 'developer-errors', options: { ...PHONE, locale: 'ko-KR' }, top: 1100 },
  { name: 'admin-ko', page: 'admin', options: { ...DESKTOP, locale: 'ko-KR' }, top: 820 },
  { name: 'admin-en', page: 'admin', options: { ...DESKTOP, locale: 'en-US' }, top: 820 },
  { name: 'consent-dark', page: 'consent', options: { ...PHONE, locale: 'ko-KR', colorScheme: 'dark' } },
];

/** The script opens a page once in each language, and takes four screenshots of it. */
const LOOKS = (['light', 'dark'] as const).flatMap((colorScheme) =>
  Object.entries({ phone: PHONE.viewport, desktop: DESKTOP.viewport }).map(([device, viewport]) => ({ device, colorScheme, viewport })),
);

async function takeDocs(browser: TestBrowser, visit: Visit, folder: string): Promise<void> {
  for (const { name, page: where, options, top } of DOCS) {
    const page = await open(browser, visit, where, options);
    const clip = top && { clip: { x: 0, y: 0, width: options.viewport?.width ?? 0, height: top } };
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true, ...clip });
    await page.context().close();
    console.log(`  ${name}.png`);
  }
}

async function takeAll(browser: TestBrowser, visit: Visit, pages: string[], folder: string): Promise<void> {
  for (const where of pages)
    for (const language of ['ko', 'en']) {
      const page = await open(browser, visit, where, { locale: language === 'ko' ? 'ko-KR' : 'en-US' });
      for (const { device, colorScheme, viewport } of LOOKS) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize(viewport);
        const name = [where, device, colorScheme, language].join('-');
        await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
        console.log(`  ${name}.png`);
      }
      await page.context().close();
    }
}

async function open(browser: TestBrowser, visit: Visit, where: string, options: BrowserContextOptions): Promise<Page> {
  const { EVERY_PAGE } = await import('../test/support/every-page.ts');
  // The same person asks for the same letter many times: nobody is limited here.
  await visit.server.sql('truncate rate_limit');
  const page = await (await browser.person(options)).newPage();
  await EVERY_PAGE[where]?.(page, visit);
  await page.evaluate(() => document.fonts.ready);
  return page;
}

/** @param into folder for pages; undefined for the pictures of docs/. @param pages those to take; every one when none is named. */
async function main(into: string | undefined, pages: string[]): Promise<void> {
  // Loaded now, because they read where the database is.
  await import('./test-template.ts');
  const [{ startTestServer }, { startBrowser, CLIENT_CALLBACK }, { EVERY_PAGE }] = await Promise.all([
    import('../test/support/environment.ts'),
    import('../test/support/browser.ts'),
    import('../test/support/every-page.ts'),
  ]);
  const unknown = pages.filter((page) => !Object.hasOwn(EVERY_PAGE, page));
  if (unknown.length) throw new Error(`there is no page ${unknown.join(', ')}: there are ${Object.keys(EVERY_PAGE).join(', ')}`);
  const [server, browser] = await Promise.all([startTestServer({ environment: 'development' }), startBrowser()]);
  const folder = into ? resolve(into) : join(ROOT, 'docs');
  await mkdir(folder, { recursive: true });
  const client = await server.createClient({
    client_name: 'Moonlight',
    redirect_uris: [CLIENT_CALLBACK],
    policy_uri: 'https://client.example/privacy',
    tos_uri: 'https://client.example/terms',
  });
  await server.sql(
    `update client set publisher = 'Moonlight Inc.', verified_at = now(), created_at = now() - interval '12 days' where id = $1`,
    [client.client_id],
  );
  const person = await server.createPerson({ email: 'gildong@people.example' });
  const visit = { server, client, person };
  await (into ? takeAll(browser, visit, pages.length ? pages : Object.keys(EVERY_PAGE), folder) : takeDocs(browser, visit, folder));
  await Promise.all([server.close(), browser.close()]);
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { help: { type: 'boolean' }, all: { type: 'string' } } });
if (values.help) process.stdout.write(HELP);
else {
  const postgres = await startPostgres(join(ROOT, '.data/test'));
  process.env['TEST_DATABASE_URL'] = postgres.url;
  try {
    await main(values.all, positionals);
  } catch (error) {
    console.error(`screenshots: ${(error as Error).message}`);
    process.exitCode = 1;
  } finally {
    await postgres.stop();
  }
  // A browser or server that an error left open must not keep the process.
  process.exit();
}
