import type { Cookie, Page } from 'playwright-core';
import { PROOF_PATH } from '../../src/pages/fresh-proof.ts';
import { proveMailbox } from './factors.ts';
import type { Credentials } from './flow.ts';
import type { Visit } from './tour.ts';

/** How a browser comes to pages that are somebody's own, and what many visits need not do each for itself. */

export async function signIn(page: Page, { email, password }: Credentials): Promise<void> {
  await page.fill('input[name=email]', email);
  await page.fill('input[name=password]', password);
  await follow(page, 'main button[type=submit]');
}

const isProof = (href: string) => new URL(href).pathname.startsWith(`${PROOF_PATH}/`);

/**
 * Presses what leads to another page, and waits until that page is there. Without it a test may read the page before, half of the next
 * one, or nothing because the browser is between the two.
 */
export async function follow(page: Page, selector: string): Promise<void> {
  await Promise.all([page.waitForEvent('framenavigated', (frame) => frame === page.mainFrame()), page.click(selector)]);
  await page.waitForLoadState('domcontentloaded');
}

/** Signs in when asked to, and comes to a page of the account. */
export async function openAccountPage(page: Page, { server, person }: Pick<Visit, 'server' | 'person'>, path: string): Promise<void> {
  await page.goto(server.issuer + path);
  if (page.url() === server.issuer + path) return;
  if (!isProof(page.url())) await signIn(page, person);
  await page.waitForURL((url) => url.href === server.issuer + path || isProof(url.href));
  if (!isProof(page.url())) return;
  // The page adds a way into the account: as if its user had read the account's mail a moment ago.
  await proveMailbox(server, person);
  await page.goto(server.issuer + path);
}

/** How long a sign-in serves: pages that change things ask for one of the last five minutes. */
const SERVES_MS = 2 * 60_000;

const browsers = new WeakMap<object, Map<string, { cookies: Cookie[]; at: number }>>();

/**
 * The same in a browser that the person has signed in at a moment ago, if they have: what a hundred visits would each wait for is done once.
 * Not for a visit that ends its session, or counts sessions.
 */
export async function comeTo(page: Page, { server, person }: Pick<Visit, 'server' | 'person'>, path: string): Promise<void> {
  const known = browsers.get(server) ?? new Map();
  browsers.set(server, known);
  const before = known.get(person.email);
  const context = page.context();
  const usable = before && Date.now() - before.at < SERVES_MS && !(await context.cookies(server.issuer)).length;
  if (usable) await context.addCookies(before.cookies);
  await openAccountPage(page, { server, person }, path);
  if (!usable) known.set(person.email, { cookies: await context.cookies(server.issuer), at: Date.now() });
}

/** What visits to one server have in common, as long as none of them changes it. */
export function inCommon<T>(make: (visit: Visit) => Promise<T>): (visit: Visit) => Promise<T> {
  const made = new WeakMap<object, Promise<T>>();
  return (visit) => {
    const known = made.get(visit.server) ?? make(visit);
    made.set(visit.server, known);
    return known;
  };
}
