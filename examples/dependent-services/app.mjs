import { randomBytes } from 'node:crypto';
import { Munjigi, SERVICES, SessionOver } from './munjigi.mjs';
import { homePage, messagePage, welcomePage } from './pages.mjs';
import { reach } from './services.mjs';
import { isOurForm, redirect, serve } from './web.mjs';

/**
 * Madang: a small web app that depends on two services of other people, and on Munjigi to reach them. It keeps a session of its own:
 * the browser has a random name of it in a cookie, the server has the tokens.
 */

const { APP_PORT, APP_URL, ISSUER, APP_CLIENT_ID, APP_CLIENT_SECRET } = process.env;
const COOKIE = 'madang';
const SIGN_IN_COOKIE = 'madang_sign_in';
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

// An app of yours would keep these in its database. Over https, add Secure and the prefix __Host-.
const sessions = new Map();
const signIns = new Map();
const cookie = (name, value, seconds) => `${name}=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${seconds}`;
const away = (name) => cookie(name, '', 0);

const munjigi = await Munjigi.at({
  issuer: ISSUER,
  clientId: APP_CLIENT_ID,
  clientSecret: APP_CLIENT_SECRET,
  redirectUri: `${APP_URL}/signed-in`,
  connectedUri: `${APP_URL}/connected`,
});

async function home({ cookies, language }) {
  const session = sessions.get(cookies[COOKIE]);
  if (!session) return welcomePage({ language });
  try {
    // Side by side: a service that is slow or down keeps nobody from the other.
    const services = await Promise.all(
      Object.keys(SERVICES).map(async (name) => ({ name, ...(await reach(name, { munjigi, session, language })) })),
    );
    return homePage({ language, session, services });
  } catch (error) {
    if (!(error instanceof SessionOver)) return notReached(language, error);
    sessions.delete(cookies[COOKIE]);
    return welcomePage({ language, note: 'sessionOver' });
  }
}

/** @param again asks for what was not allowed before. */
const signIn = (again) => async (visit) => {
  if (!isOurForm(visit)) return messagePage({ language: visit.language, what: 'foreignForm', status: 403 });
  try {
    const { url, kept } = await munjigi.beginSignIn({ language: visit.language, again });
    const name = randomBytes(32).toString('base64url');
    remember(signIns, name, kept, 10 * MINUTE_MS);
    return redirect(url, { 'Set-Cookie': cookie(SIGN_IN_COOKIE, name, 600) });
  } catch (error) {
    return notReached(visit.language, error);
  }
};

/** Munjigi sends the browser back. Only the browser that was sent, once, and with nothing changed on the way, is signed in. */
async function signedIn({ url, cookies, language }) {
  const kept = signIns.get(cookies[SIGN_IN_COOKIE]);
  signIns.delete(cookies[SIGN_IN_COOKIE]);
  if (!kept) return messagePage({ language, what: 'signInGone', status: 400 });
  if (url.searchParams.get('error') === 'access_denied' && url.searchParams.get('state') === kept.state)
    return redirect('/', { 'Set-Cookie': away(SIGN_IN_COOKIE) });
  try {
    const session = await munjigi.completeSignIn(new URL(`${APP_URL}/signed-in${url.search}`), kept);
    sessions.delete(cookies[COOKIE]);
    // A name that nobody knew before: whoever planted one has no session by it.
    const name = randomBytes(32).toString('base64url');
    remember(sessions, name, session, DAY_MS);
    return redirect('/', { 'Set-Cookie': [cookie(COOKIE, name, DAY_MS / 1_000), away(SIGN_IN_COOKIE)] });
  } catch (error) {
    console.error('sign-in failed:', error.code ?? error.name, error.error ?? '');
    return messagePage({ language, what: 'signInFailed', status: 400 });
  }
}

async function signOut(visit) {
  if (!isOurForm(visit)) return messagePage({ language: visit.language, what: 'foreignForm', status: 403 });
  const session = sessions.get(visit.cookies[COOKIE]);
  sessions.delete(visit.cookies[COOKIE]);
  const headers = { 'Set-Cookie': away(COOKIE) };
  if (!session) return redirect('/', headers);
  // Ours has ended whether Munjigi hears of it or not.
  await munjigi.forget(session).catch(() => {});
  return redirect(munjigi.signOutUrl(session, `${APP_URL}/`), headers);
}

function notReached(language, error) {
  console.error('Munjigi was not reached:', error.code ?? error.name, error.error ?? '');
  return messagePage({ language, what: 'munjigiAway', status: 503 });
}

/** For a while, and no more than memory is for. */
function remember(map, name, value, forMs) {
  if (map.size >= 10_000) map.delete(map.keys().next().value);
  map.set(name, value);
  setTimeout(() => map.delete(name), forMs).unref();
}

await serve({
  port: Number(APP_PORT),
  routes: {
    'GET /': home,
    'POST /sign-in': signIn(false),
    'POST /allow': signIn(true),
    'GET /signed-in': signedIn,
    // Whatever came of it, the page tells: it asks the services.
    'GET /connected': () => redirect('/'),
    'POST /sign-out': signOut,
  },
});
console.log(`Madang is open at ${APP_URL}`);
