import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import AxeBuilder from '@axe-core/playwright';
import type { Page } from 'playwright-core';

/** WCAG 2.2 level AA, as far as a machine can judge: what axe knows, and what it does not, measured by the browser. */

// The builder would send axe twice an analysis, and not the smaller file: that cost as much as the analysis.
const AXE = readFileSync(createRequire(import.meta.resolve('@axe-core/playwright')).resolve('axe-core/axe.min.js'), 'utf8');

async function axeOn(page: Page): Promise<AxeBuilder> {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(AXE);
  // No page of ours has frames, for which it would open a page of its own to put its findings together.
  return new AxeBuilder({ page, axeSource: 'void 0' }).setLegacyMode();
}

export async function assertPassesAxe(page: Page): Promise<void> {
  // What axe holds to be good practice is about whole pages; a mail stands in somebody else's.
  const practice = (await page.locator('main').count()) ? ['best-practice'] : [];
  const { violations, passes } = await (await axeOn(page))
    // What passes is counted, and not looked at any further.
    .options({ resultTypes: ['violations'] })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', ...practice])
    .analyze();
  assert(passes.length > 10, 'axe has looked');
  assert.deepEqual(violations.map(told), []);
}

// What axe tells by how a page looks. The rest it reads from the document, which no colour and no width of ours changes.
const BY_LOOK = ['color-contrast', 'link-in-text-block', 'scrollable-region-focusable', 'target-size'];

/** The same page, which has passed before, in other colours or of another width. */
export async function assertLookPassesAxe(page: Page): Promise<void> {
  const { violations, passes } = await (await axeOn(page))
    .options({ resultTypes: ['violations'] })
    .withRules(BY_LOOK)
    .analyze();
  assert(passes.length > 0, 'axe has looked');
  assert.deepEqual(violations.map(told), []);
}

const told = ({ id, nodes }: { id: string; nodes: { html: string }[] }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`;

/** Notes what the server fails at: an error page is a page too, and could pass for the one that was meant. Call it before the page is opened. */
export function failuresOf(page: Page): string[] {
  const failures: string[] = [];
  page.on('response', (response) => {
    if (response.status() >= 500) failures.push(`${response.status()} ${response.url()}`);
  });
  return failures;
}

/** What the page is called, once, where everybody looks for it. */
export async function assertOneHeading(page: Page): Promise<void> {
  const { headings, title } = await page.evaluate(() => ({
    headings: [...document.querySelectorAll('h1')].map((heading) => (heading.checkVisibility() ? 'seen' : 'hidden')),
    title: document.title,
  }));
  assert.deepEqual(headings, ['seen']);
  assert.match(title, /\S/);
}

/** An error is told at once and at its field, and each field says what a browser may fill in (1.3.5, 3.3.1, 4.1.3). */
export async function assertFieldsAreTied(page: Page): Promise<void> {
  const loose = await page.evaluate(() => {
    // What is folded is tied as well; it is shown to be asked whether it can be seen.
    const folded = [...document.querySelectorAll<HTMLDetailsElement>('details:not([open])')];
    for (const fold of folded) fold.open = true;
    const missing = (ids: string | null) => ids?.split(' ').some((id) => !document.getElementById(id)?.checkVisibility());
    const untied = [...document.querySelectorAll('main [aria-describedby], main [aria-labelledby]')].filter(
      (element) =>
        // A field that an answer hides is not there, and neither is its hint.
        element.checkVisibility() &&
        (missing(element.getAttribute('aria-describedby')) || missing(element.getAttribute('aria-labelledby'))),
    );
    const unexplained = document.querySelectorAll('main [aria-invalid=true]:not([aria-describedby])');
    const unnamed = document.querySelectorAll(
      'main :is(input:not([type=hidden], [type=checkbox], [type=radio], [type=submit], [type=file]), textarea):not([autocomplete])',
    );
    for (const fold of folded) fold.open = false;
    return [...untied, ...unexplained, ...unnamed].map((element) => element.outerHTML);
  });
  assert.deepEqual(loose, []);
  if (await page.locator('main [role=alert]').count())
    assert.match(await page.title(), /^⟦?(Error|오류): /, 'the title says that something is wrong');
}

/** Room for lines, words and letters set apart (1.4.12). */
export async function setApart(page: Page): Promise<void> {
  await page.evaluate(() => {
    for (const { style } of document.querySelectorAll<HTMLElement>('body *')) {
      style.lineHeight = '1.5';
      style.letterSpacing = '0.12em';
      style.wordSpacing = '0.16em';
    }
  });
}

// What a finger, or a pointer that trembles, is aimed at.
const TARGETS = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [role=button], [tabindex="0"]';

/** Nothing is scrolled sideways (1.4.10), and nothing to press is smaller than 24 px but a link within a sentence (2.5.8). */
export async function assertFits(page: Page): Promise<void> {
  const { room, width } = await page.evaluate(() => ({
    room: document.documentElement.clientWidth,
    width: document.documentElement.scrollWidth,
  }));
  assert(width <= room, `${width} px wide in ${room}`);
  const targets = page.locator(TARGETS);
  const small = await targets.evaluateAll((all) =>
    all
      .filter((element) => element.checkVisibility())
      .filter((element) => {
        const around = element.parentElement?.textContent?.trim() ?? '';
        return getComputedStyle(element).display !== 'inline' || around === element.textContent?.trim();
      })
      .map((element) => ({ element, box: element.getBoundingClientRect() }))
      .filter(({ box }) => box.width < 24 || box.height < 24)
      .map(({ element, box }) => `${box.width} × ${box.height}: ${element.outerHTML}`),
  );
  assert.deepEqual(small, []);
}

/** Whatever can be pressed has the focus in its turn, and shows that it has (2.1.1, 2.4.3, 2.4.7). */
export async function assertKeyboardReaches(page: Page): Promise<void> {
  // Radio buttons of one name are one stop.
  const stops = await page
    .locator(TARGETS)
    .evaluateAll((all) =>
      all
        .filter((element) => element.checkVisibility() && !element.matches(':disabled, [tabindex="-1"], [type=radio]'))
        .map((element) => element.outerHTML),
    );
  const reached: string[] = [];
  // The focus may begin in the middle, at what the page wants read first: it is walked all the way round.
  for (let tab = 0; tab < 2 * stops.length + 2; tab++) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const element = document.activeElement as HTMLElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      return { html: element.outerHTML, page: element === document.body, seen: outlineStyle !== 'none' && outlineWidth !== '0px' };
    });
    if (at.page) continue;
    assert(at.seen, `the focus cannot be seen: ${at.html}`);
    reached.push(at.html);
    if (reached.length >= stops.length && stops.every((stop) => reached.includes(stop))) break;
  }
  assert.deepEqual(
    stops.filter((stop) => !reached.includes(stop)),
    [],
  );
}

/** Without JavaScript every form can be sent, and there is no button that would do nothing, but one that says so. */
export async function assertFormsNeedNoScript(page: Page): Promise<void> {
  const dead = await page.locator('form, button').evaluateAll((all) =>
    all
      .filter((element) => element.checkVisibility() && !element.matches(':disabled'))
      .filter((element) =>
        element instanceof HTMLFormElement
          ? ![...element.elements].some((control) => control.matches('[type=submit], button:not([type])'))
          : (element as HTMLButtonElement).type !== 'submit' || !(element as HTMLButtonElement).form,
      )
      .map((element) => element.outerHTML),
  );
  assert.deepEqual(dead, []);
}
