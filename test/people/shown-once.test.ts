import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { complaints, startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import type { Visit } from '../support/tour.ts';
import { FACTOR_TOUR } from '../support/tour-factors.ts';

/** What is shown once can be kept: at a browser, with JavaScript and without. */
describe('Recovery codes, which are shown once', () => {
  let server: TestServer;
  let browser: TestBrowser;
  before(async () => {
    browser = await startBrowser();
    server = await startTestServer();
  });
  after(() => Promise.all([server?.close(), browser?.close()]));

  for (const javaScriptEnabled of [true, false])
    it(`are downloaded as they are shown, ${javaScriptEnabled ? 'and copied and printed, with' : 'without'} JavaScript`, async () => {
      const context = await browser.person({ javaScriptEnabled, permissions: ['clipboard-read', 'clipboard-write'] });
      const page = await context.newPage();
      const heard = complaints(page);
      await FACTOR_TOUR['recovery-codes-shown']?.(page, { server } as Visit);
      const shown = await page.locator('.codes code').allTextContents();
      assert.equal(shown.length, 10);
      const [file] = await Promise.all([page.waitForEvent('download'), page.click('a[download]')]);
      assert.equal(file.suggestedFilename(), 'recovery-codes.txt');
      assert.equal(await readFile(await file.path(), 'utf8'), `${shown.join('\n')}\n`);
      assert.equal(await page.locator('[data-copies]').isVisible(), javaScriptEnabled);
      assert.equal(await page.locator('[data-prints]').isVisible(), javaScriptEnabled);
      if (javaScriptEnabled) {
        await page.click('[data-copies=codes]');
        await page.locator('[data-copies] + [role=status]:not(:empty)').waitFor();
        assert.equal(await page.evaluate('navigator.clipboard.readText()'), shown.join('\n'));
        await page.evaluate("window.print = () => { document.title = 'printed' }");
        await page.click('[data-prints]');
        assert.equal(await page.title(), 'printed');
      }
      assert.deepEqual(heard, []);
      await context.close();
    });
});
