import { setTimeout as pause } from 'node:timers/promises';
import type { TestSite } from '../../test/support/environment.ts';
import { authorizePath, type Credentials, pkce, post, redeem, refresh, type TestClient, type Tokens } from '../../test/support/flow.ts';
import type { Facts } from './facts.ts';
import type { Count } from './load.ts';
import type { Visitor } from './visitor.ts';

/** What one user and their apps do, again and again: each step waits for the one before, and what is acknowledged goes into the book of facts. */

export type Lane = {
  site: TestSite;
  visitor: Visitor;
  person: Credentials;
  count: Count;
  book: { facts: Facts };
  /** Counts an answer that is no error and yet not right. */
  wrong(what: string): void;
};

/** Says that the load is over: a journey that waits for the server then ends early. */
type Over = () => boolean;

export const RETRY_MS = 250;

/** Signs the user in. @returns one journey of theirs. @throws Error when a user cannot sign in before anything is broken. */
export async function openLane(lane: Lane): Promise<(over: Over) => Promise<void>> {
  let journeys = 0;
  let client = await newClient(lane.site);
  if (!(await authorize(lane, client, () => lane.count.failed.length > 0)))
    throw new Error(`the load cannot begin: ${lane.count.failed[0]}`);
  lane.book.facts.allowed.push({ visitor: lane.visitor, person: lane.person, client });
  return async (over) => {
    journeys += 1;
    const fresh = journeys % 3 === 2 ? undefined : await newClient(lane.site).catch(() => undefined);
    // A revocation ends everything under its grant, so the client of that journey is used once.
    const revokes = journeys % 3 === 0 && fresh !== undefined;
    const by = fresh ?? client;
    if (!revokes) client = by;
    await journey(lane, { client: by, revokes, over });
  };
}

type Journey = { client: TestClient; revokes: boolean; over: Over };

async function journey(lane: Lane, { client, revokes, over }: Journey): Promise<void> {
  const { site, book, wrong } = lane;
  const machine = await tokensOf(lane, over, () => post(site, '/oauth/token', client, { grant_type: 'client_credentials' }));
  if (machine) book.facts.active.set(machine.access_token, client);
  const code = await authorize(lane, client, over);
  if (!code) return;
  if (!revokes && !book.facts.allowed.some((one) => one.client === client))
    book.facts.allowed.push({ visitor: lane.visitor, person: lane.person, client });
  const first = await tokensOf(lane, over, () => redeem(site, client, code));
  if (!first) return;
  const answer = await insist(over, () => post(site, '/oauth/introspect', client, { token: first.access_token }));
  if (answer?.status === 200 && !((await answer.json()) as { active: boolean }).active)
    wrong('introspection: an issued token is not active');
  const next = await tokensOf(lane, over, () => refresh(site, client, first.refresh_token as string));
  if (!next) return;
  book.facts.spent.set(first.refresh_token as string, client);
  const pair = [next.access_token, next.refresh_token as string];
  if (!revokes) {
    for (const token of pair) book.facts.active.set(token, client);
    return;
  }
  const revoked = await insist(over, () => post(site, '/oauth/revoke', client, { token: next.refresh_token as string }));
  if (revoked?.status === 200) for (const token of pair) book.facts.revoked.set(token, client);
}

const newClient = (site: TestSite): Promise<TestClient> => site.createClient({ scope: 'openid profile offline_access' });

/** The answer of the token endpoint that is not 503. @returns undefined when it is lost, so that nobody knows what was done. */
async function tokensOf({ count, wrong }: Lane, over: Over, request: () => Promise<Response>): Promise<Tokens | undefined> {
  let attempts = 0;
  const answer = await insist(over, () => {
    attempts += 1;
    return request();
  });
  if (!answer || answer.status >= 500) return undefined;
  if (answer.status === 200) return (await answer.json()) as Tokens;
  const text = await answer.text();
  if (attempts > 1 && text.includes('invalid_grant')) count.undecided += 1;
  else wrong(`token endpoint: ${answer.status} ${text.slice(0, 100)}`);
  return undefined;
}

/** Repeats a request for as long as it is refused. @returns undefined when the load is over before that. */
async function insist(over: Over, request: () => Promise<Response>): Promise<Response | undefined> {
  for (;;) {
    const answer = await request();
    if (answer.status !== 503) return answer;
    if (over()) return undefined;
    await pause(RETRY_MS);
  }
}

/** The browser's part of the code flow. It begins again when a page is refused. @returns undefined when there is no code. */
async function authorize({ visitor, person, count, wrong }: Lane, client: TestClient, over: Over) {
  for (;;) {
    const { code_verifier, ...challenge } = pkce();
    let page = await visitor.open(authorizePath(client, challenge));
    if (page.html.includes('name="password"')) page = await page.submit({ email: person.email, password: person.password });
    if (page.html.includes('name="decision"')) page = await page.submit({ scope: page.optionalScopes, decision: 'approve' });
    const code = page.url.searchParams.get('code');
    if (code) return { code, code_verifier, redirect_uri: client.redirect_uri };
    // RFC 6749 section 4.1.2.1: what 503 is elsewhere, for a redirect has no other status.
    const error = page.url.searchParams.get('error');
    if (error === 'temporarily_unavailable') count.refused += 1;
    else if (page.response.status < 500) wrong(`code flow: ${error ?? `stuck at ${page.url.pathname} with ${page.response.status}`}`);
    if (over()) return undefined;
    await pause(RETRY_MS);
  }
}
