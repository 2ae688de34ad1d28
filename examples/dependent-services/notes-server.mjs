import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { html, isOurForm, json, page, redirect, serve, text } from './web.mjs';

/**
 * Notes: a small service with an OAuth 2.0 server of its own (RFC 6749), as many services have, and without OpenID Connect: no
 * discovery, no ID token, just /authorize, /token, /revoke, /whoami and an API. It knows two people, who are always signed in,
 * and one client. All of it is in memory: when it ends, its tokens end.
 *
 * For trying things out, its front page takes access back, and puts it out of order.
 */

const { NOTES_PORT, NOTES_URL, NOTES_CLIENT_ID, NOTES_CLIENT_SECRET, NOTES_REDIRECT_URI } = process.env;
/** Short, so that you can watch Munjigi refresh it. */
const ACCESS_SECONDS = Number(process.env.NOTES_ACCESS_SECONDS ?? 30);
const MINUTE_MS = 60_000;

const PEOPLE = [
  { id: 'notes-7', name: '보라 Bora' },
  { id: 'notes-8', name: '민준 Minjun' },
];
const NOTES = [
  { ko: '화분에 물 주기', en: 'Water the plants' },
  { ko: '도서관 책 돌려주기', en: 'Return the library books' },
  { ko: '토요일: 할머니 댁', en: 'Saturday: visit grandmother' },
];
const SCOPES = ['whoami', 'notes:read'];

/** What waits for the person's answer, then codes, then links: one for each time the person said yes. */
const requests = new Map();
const codes = new Map();
const links = new Map();
let outOfOrder = false;

const random = () => randomBytes(32).toString('base64url');
const same = (one, other) => timingSafeEqual(createHash('sha256').update(one).digest(), createHash('sha256').update(other).digest());

const WORDS = {
  ko: {
    title: '메모장',
    notes: '보라와 민준의 메모',
    ask: (who) => html`<b>${who}</b> 앱이 메모장을 이용하려고 해요`,
    who: '누구의 메모장인가요?',
    scopes: { whoami: '내 이름 보기', 'notes:read': '내 메모 읽기' },
    yes: '허용',
    no: '거부',
    connected: '연결된 앱',
    none: '연결된 앱이 없어요.',
    takeBack: '모두 연결 해제',
    state: (broken) => (broken ? '지금은 고장 난 척하고 있어요: 토큰도 API도 503으로 답해요.' : '정상으로 동작하고 있어요.'),
    toggle: (broken) => (broken ? '다시 동작하기' : '고장 난 척하기'),
    since: (date) => `${date.toLocaleTimeString('ko')}부터`,
    gone: '이 요청은 끝났거나 이 서비스의 것이 아니에요. 앱으로 돌아가 다시 시작해 주세요.',
  },
  en: {
    title: 'Notes',
    notes: 'Notes of Bora and Minjun',
    ask: (who) => html`<b>${who}</b> wants to use your notes`,
    who: 'Whose notes?',
    scopes: { whoami: 'See your name', 'notes:read': 'Read your notes' },
    yes: 'Allow',
    no: 'Deny',
    connected: 'Connected apps',
    none: 'No app is connected.',
    takeBack: 'Disconnect all',
    state: (broken) => (broken ? 'It plays out of order: tokens and API answer 503.' : 'It works as it should.'),
    toggle: (broken) => (broken ? 'Work again' : 'Play out of order'),
    since: (date) => `since ${date.toLocaleTimeString('en')}`,
    gone: 'This request is over, or none of this service. Go back to the app and begin again.',
  },
};

/** RFC 6749 section 4.1.1. What is wrong with the client or its redirect URI is told to the person, and sent nowhere. */
function authorize({ url, language }) {
  const asked = Object.fromEntries(url.searchParams);
  if (asked.client_id !== NOTES_CLIENT_ID || asked.redirect_uri !== NOTES_REDIRECT_URI) return gone(language);
  const scopes = (asked.scope ?? 'whoami').split(' ').filter(Boolean);
  if (asked.response_type !== 'code') return back(asked, { error: 'unsupported_response_type' });
  // PKCE (RFC 7636): only who began can end.
  if (asked.code_challenge_method !== 'S256' || !/^[\w-]{43}$/.test(asked.code_challenge ?? ''))
    return back(asked, { error: 'invalid_request' });
  if (!scopes.every((scope) => SCOPES.includes(scope))) return back(asked, { error: 'invalid_scope' });
  const request = random();
  remember(requests, request, { ...asked, scopes }, 10 * MINUTE_MS);
  const words = WORDS[language];
  const body = html`
    <p class="brand">✎ ${words.title}</p>
    <h1>${words.ask('Munjigi')}</h1>
    <ul class="plain">${scopes.map((scope) => html`<li>✓ ${words.scopes[scope]}</li>`)}</ul>
    <form method="post" action="/authorize" class="actions">
      <input type="hidden" name="request" value="${request}">
      <fieldset><legend>${words.who}</legend>
        ${PEOPLE.map(({ id, name }, n) => html`<label><input type="radio" name="person" value="${id}" ${n === 0 && 'checked'}> ${name}</label>`)}
      </fieldset>
      <button name="decision" value="no">${words.no}</button>
      <button name="decision" value="yes" class="solid">${words.yes}</button>
    </form>`;
  return page({ site: 'notes', language, title: words.title, body });
}

function decide(visit) {
  const asked = take(requests, visit.form.get('request'));
  if (!asked || !isOurForm(visit)) return gone(visit.language);
  if (visit.form.get('decision') !== 'yes') return back(asked, { error: 'access_denied' });
  const person = PEOPLE.find(({ id }) => id === visit.form.get('person'));
  if (!person) return gone(visit.language);
  const code = random();
  remember(codes, code, { ...asked, person }, MINUTE_MS);
  return back(asked, { code });
}

function back({ redirect_uri, state }, parameters) {
  const url = new URL(redirect_uri);
  for (const [name, value] of Object.entries({ ...parameters, state })) if (value !== undefined) url.searchParams.set(name, value);
  return redirect(url);
}

/** RFC 6749 sections 4.1.3 and 6. */
function token({ form, headers }) {
  if (!isClient(headers)) return json({ error: 'invalid_client' }, 401, { 'WWW-Authenticate': 'Basic realm="Notes"' });
  switch (form.get('grant_type')) {
    case 'authorization_code': {
      const asked = take(codes, form.get('code'));
      const proof = createHash('sha256')
        .update(form.get('code_verifier') ?? '')
        .digest('base64url');
      if (!asked || asked.code_challenge !== proof || asked.redirect_uri !== form.get('redirect_uri'))
        return json({ error: 'invalid_grant' }, 400);
      const { person, scopes } = asked;
      const link = { id: random(), person, scopes, since: new Date(), refresh: undefined, spent: new Set(), access: new Map() };
      links.set(link.id, link);
      return json(issue(link));
    }
    case 'refresh_token': {
      const given = form.get('refresh_token') ?? '';
      const link = [...links.values()].find(({ refresh, spent }) => refresh === given || spent.has(given));
      // One that was used before is in two hands: nobody can tell which is the thief's (RFC 9700 section 4.14.2).
      if (link?.spent.has(given)) links.delete(link.id);
      return link?.refresh === given ? json(issue(link)) : json({ error: 'invalid_grant' }, 400);
    }
    default:
      return json({ error: 'unsupported_grant_type' }, 400);
  }
}

/** A new access token, and another refresh token in the place of the one before. */
function issue(link) {
  if (link.refresh) link.spent.add(link.refresh);
  link.refresh = random();
  const access = random();
  remember(link.access, access, true, ACCESS_SECONDS * 1_000);
  return {
    access_token: access,
    token_type: 'Bearer',
    expires_in: ACCESS_SECONDS,
    refresh_token: link.refresh,
    scope: link.scopes.join(' '),
  };
}

/** RFC 7009: whichever of its tokens is named, the link ends. 200 for one that is unknown: it is of no use, which is what was wanted. */
function revoke({ form, headers }) {
  if (!isClient(headers)) return json({ error: 'invalid_client' }, 401, { 'WWW-Authenticate': 'Basic realm="Notes"' });
  const named = form.get('token') ?? '';
  for (const { id, refresh, access } of links.values()) if (refresh === named || access.has(named)) links.delete(id);
  return { status: 200 };
}

/** What bearers of a token with the scope may see (RFC 6750). */
const api = (scope, answer) => (visit) => {
  const [scheme, given = ''] = (visit.headers.authorization ?? '').split(' ');
  const link = scheme.toLowerCase() === 'bearer' ? [...links.values()].find(({ access }) => access.has(given)) : undefined;
  if (!link) return json({ error: 'invalid_token' }, 401, { 'WWW-Authenticate': 'Bearer error="invalid_token"' });
  if (!link.scopes.includes(scope))
    return json({ error: 'insufficient_scope' }, 403, { 'WWW-Authenticate': `Bearer error="insufficient_scope", scope="${scope}"` });
  return json(answer(visit, link));
};

function isClient({ authorization = '' }) {
  const [scheme, given = ''] = authorization.split(' ');
  // Both are form-urlencoded before they are put together (RFC 6749 section 2.3.1).
  const [id, secret] = Buffer.from(given, 'base64')
    .toString()
    .split(':')
    .map((part) => new URLSearchParams(`part=${part}`).get('part'));
  return scheme.toLowerCase() === 'basic' && id === NOTES_CLIENT_ID && same(secret ?? '', NOTES_CLIENT_SECRET);
}

function front({ language }) {
  const words = WORDS[language];
  const connected = [...links.values()].map(
    ({ person, since, scopes }) =>
      html`<li>Munjigi, ${person.name}: ${scopes.map((scope) => words.scopes[scope]).join(', ')} <small>${words.since(since)}</small></li>`,
  );
  const body = html`
    <p class="brand">✎ ${words.title}</p>
    <h1>${words.notes}</h1>
    <ul>${NOTES.map((note) => html`<li>${note[language]}</li>`)}</ul>
    <h2>${words.connected}</h2>
    ${connected.length ? html`<ul class="plain">${connected}</ul>` : html`<p>${words.none}</p>`}
    <form method="post" action="/take-back"><button>${words.takeBack}</button></form>
    <h2 id="state">${words.state(outOfOrder)}</h2>
    <form method="post" action="/out-of-order"><button>${words.toggle(outOfOrder)}</button></form>`;
  return page({ site: 'notes', language, title: words.title, body });
}

/** The person takes access back here, and no app is told. */
function takeBack(visit) {
  if (isOurForm(visit)) links.clear();
  return redirect('/');
}

function toggle(visit) {
  if (isOurForm(visit)) outOfOrder = !outOfOrder;
  return redirect('/');
}

const gone = (language) =>
  page({ site: 'notes', language, title: WORDS[language].title, status: 400, body: html`<p>${WORDS[language].gone}</p>` });
const orOutOfOrder = (handler) => (visit) => (outOfOrder ? text(503, 'out of order') : handler(visit));

/** Kept for a while, and no more of it than a stranger may fill. */
function remember(map, key, value, forMs) {
  if (map.size >= 1_000) map.delete(map.keys().next().value);
  map.set(key, value);
  setTimeout(() => map.delete(key), forMs).unref();
}

function take(map, key) {
  const value = map.get(key);
  map.delete(key);
  return value;
}

await serve({
  port: Number(NOTES_PORT),
  routes: {
    'GET /': front,
    'POST /take-back': takeBack,
    'POST /out-of-order': toggle,
    'GET /authorize': authorize,
    'POST /authorize': decide,
    'POST /token': orOutOfOrder(token),
    'POST /revoke': orOutOfOrder(revoke),
    'GET /whoami': orOutOfOrder(api('whoami', (_, { person }) => person)),
    'GET /notes': orOutOfOrder(api('notes:read', ({ language }) => ({ notes: NOTES.map((note) => note[language]) }))),
  },
});
console.log(`Notes is open at ${NOTES_URL}`);
