/** The two services that the app depends on, and what it calls there with the person's own token. */

const PATIENCE_MS = 5_000;

const { HARU_URL, NOTES_URL } = process.env;

/** Who the person is there, and what they have there. */
const CALLS = {
  haru: [`${HARU_URL}/api/me`, `${HARU_URL}/api/data`],
  notes: [`${NOTES_URL}/whoami`, `${NOTES_URL}/notes`],
};

/**
 * Everything the page shows of one service.
 * @returns `{ kind: 'answers', me, data, expiresIn, scope }`, or `{ kind }` with why not, see tokenAt() in munjigi.mjs.
 */
export async function reach(name, { munjigi, session, language }) {
  let token = await munjigi.tokenAt(name, session);
  let answers = token.kind === 'token' && (await ask(name, token, language));
  if (answers?.kind === 'refused') {
    // The service ended it, which Munjigi cannot have heard of: we say so, once.
    token = await munjigi.tokenAt(name, session, token.accessToken);
    answers = token.kind === 'token' && (await ask(name, token, language));
  }
  return answers || token;
}

async function ask(name, { accessToken, expiresIn, scope }, language) {
  const headers = { authorization: `Bearer ${accessToken}`, accept: 'application/json', 'accept-language': language };
  try {
    const responses = await Promise.all(
      CALLS[name].map((url) => fetch(url, { headers, redirect: 'error', signal: AbortSignal.timeout(PATIENCE_MS) })),
    );
    if (responses.some(({ status }) => status === 401)) return { kind: 'refused' };
    // 403: the token opens the other one alone, which is then all that is shown.
    const [me, data] = await Promise.all(responses.map((response) => (response.status === 403 ? undefined : read(response))));
    return { kind: 'answers', me, data, expiresIn, scope };
  } catch {
    return { kind: 'unavailable' };
  }
}

async function read(response) {
  if (!response.ok) throw new Error(`${response.status}`);
  return response.json();
}
