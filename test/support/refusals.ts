import assert from 'node:assert/strict';
import { wayBackOn } from './person.ts';

/** What a program hears when it is refused: status, JSON, the error code, and nothing that a cache would keep. @returns the body. */
export async function assertRefused(response: Response, status: number, error: string): Promise<Record<string, unknown>> {
  const text = await response.text();
  assert.equal(response.status, status, text);
  const body = JSON.parse(text) as Record<string, unknown>;
  assert.equal(body['error'], error, text);
  assert.match(response.headers.get('cache-control') ?? '', /no-store/);
  return body;
}

/** A page of ours that says no: the browser is not sent anywhere, by a header or by a form. @returns the page. */
export async function assertRefusedHere(response: Response): Promise<string> {
  const html = await response.text();
  assert.equal(response.status, 400, html);
  assert.equal(response.headers.get('location'), null);
  assert.match(response.headers.get('content-type') ?? '', /^text\/html/);
  assert.doesNotMatch(html, /<form|http-equiv|<script/i);
  return html;
}

/** Where an answer leads: at once, or by the page of ours that comes before an error leaves for an app that nobody verified. */
export async function leadsTo(response: Response): Promise<string> {
  return response.headers.get('location') ?? wayBackOn(await response.text()) ?? 'about:nowhere';
}

/** An error for the client. @returns its parameters. */
export async function assertSentBack(response: Response, redirectUri: string, error: string): Promise<URLSearchParams> {
  const location = await leadsTo(response);
  const url = new URL(location);
  assert.equal(url.origin + url.pathname, redirectUri);
  assert.equal(url.searchParams.get('error'), error, location);
  assert.equal(url.searchParams.get('code'), null);
  return url.searchParams;
}
