import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

/**
 * What the two web servers of this example share, instead of a framework: routes, forms, and pages that cannot be injected into.
 *
 *     serve({ port: 3300, routes: { 'GET /': ({ language }) => page({ language, title: 'Hello', body: html`<h1>Hello</h1>` }) } });
 *
 * A handler gets `{ url, headers, cookies, form, language }` and gives `{ status, headers, body }`.
 */

const STYLE = new URL('./style.css', import.meta.url);
const LARGEST_FORM = 16 * 1024;

/** Pages load our own style and nothing else, run no script, are never framed, and tell nobody where their reader came from. */
const HEADERS = {
  'Content-Security-Policy': "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-store',
};

/** Answers requests on the loopback address. @returns the server, once it listens. */
export function serve({ port, routes }) {
  const server = createServer(async (request, response) => {
    const { status = 200, headers = {}, body = '' } = await answer(routes, request).catch((error) => failed(error, request));
    response.writeHead(status, { ...HEADERS, ...headers }).end(body);
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject).listen(port, '127.0.0.1', () => resolve(server));
  });
}

async function answer(routes, request) {
  const url = URL.parse(request.url ?? '/', 'http://here');
  if (!url) return text(400, 'That is no address.');
  if (url.pathname === '/style.css') return { headers: { 'Content-Type': 'text/css; charset=utf-8' }, body: await readFile(STYLE) };
  const handler = routes[`${request.method} ${url.pathname}`];
  if (!handler) return text(404, 'There is nothing here. · 여기에는 아무것도 없어요.');
  const form = request.method === 'POST' ? await readForm(request) : new URLSearchParams();
  return handler({ url, headers: request.headers, cookies: cookiesOf(request), form, language: languageOf(request) });
}

/** What went wrong is for the log; a stranger is told no more than that. */
function failed(error, request) {
  if (error instanceof RangeError) return text(413, 'That is too much. · 너무 커요.');
  console.error(request.method, new URL(request.url, 'http://here').pathname, error);
  return text(500, 'Something went wrong here. · 여기에서 문제가 생겼어요.');
}

async function readForm(request) {
  let body = '';
  for await (const chunk of request.setEncoding('utf8')) {
    body += chunk;
    if (body.length > LARGEST_FORM) throw new RangeError('form');
  }
  return new URLSearchParams(body);
}

function cookiesOf({ headers }) {
  const pairs = (headers.cookie ?? '').split('; ').map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]);
  return Object.fromEntries(pairs);
}

/** The first language of the browser's that we have. */
function languageOf({ headers }) {
  const wished = (headers['accept-language'] ?? '').split(',').map((tag) => tag.trim().slice(0, 2).toLowerCase());
  return wished.find((language) => language === 'ko' || language === 'en') ?? 'en';
}

/** Whether a form was sent by a page of ours: browsers say so, and pages elsewhere cannot make them lie. */
export const isOurForm = ({ headers }) => headers['sec-fetch-site'] === 'same-origin';

export const redirect = (to, headers = {}) => ({ status: 303, headers: { Location: String(to), ...headers } });
export const text = (status, body) => ({ status, headers: { 'Content-Type': 'text/plain; charset=utf-8' }, body });
export const json = (body, status = 200, headers = {}) => ({
  status,
  headers: { 'Content-Type': 'application/json', ...headers },
  body: JSON.stringify(body),
});

/** @param {{ site: string, language: string, title: string, body: Markup, status?: number }} page `site` names the colours of style.css. */
export function page({ site, language, title, body, status = 200 }) {
  const document = html`<!doctype html>
<html lang="${language}">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>${title}</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="/style.css">
</head>
<body class="${site}"><main>${body}</main></body>
</html>`;
  return {
    status,
    headers: { 'Content-Type': 'text/html; charset=utf-8', 'Content-Language': language, Vary: 'Accept-Language, Cookie' },
    body: document.text,
  };
}

class Markup {
  constructor(text) {
    this.text = text;
  }
}

/** A template whose values are escaped, unless they came from here too. Lists are joined; false and undefined are nothing. */
export function html(strings, ...values) {
  return new Markup(strings.reduce((before, string, n) => before + written(values[n - 1]) + string));
}

function written(value) {
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map(written).join('');
  if (value === undefined || value === null || value === false) return '';
  return String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
