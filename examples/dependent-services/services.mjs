/** The two services that the app depends on, and what it calls there with the person's own token. */

const PATIENCE_MS = 5_000;

/** What to call, by service. */
const CALLS = {
  haru: ({ HARU_URL }) => ({ me: `${HARU_URL}/api/me`, data: `${HARU_URL}/api/data` }),
  notes: ({ NOTES_URL }) => ({ me: `${NOTES_URL}/whoami`, data: `${NOTES_URL}/notes` }),
};

/**
 * Everything the page shows of one service.
 * @returns `{ kind: 'answers', me, data, expiresIn, scope }`, or `{ kind }` with why not: that of tokenAt(), or `refused` when the
 * service itself does not take the token, though Munjigi believes in it.
 */
export async function reach(name, { munjigi, accessToken, language, addresses = process.env }) {
  const token = await munjigi.tokenAt(name, accessToken);
  if (token.kind !== 'token') return token;
  const headers = { authorization: `Bearer ${token.accessToken}`, accept: 'application/json', 'accept-language': language };
  try {
    const urls = Object.entries(CALLS[name](addresses));
    const answers = await Promise.all(
      urls.map(async ([what, url]) => {
        const response = await fetch(url, { headers, redirect: 'error', signal: AbortSignal.timeout(PATIENCE_MS) });
        if (response.status === 401 || response.status === 403) return [what, undefined];
        if (!response.ok) throw new Error(`${response.status}`);
        return [what, await response.json()];
      }),
    );
    const { me, data } = Object.fromEntries(answers);
    return me || data ? { kind: 'answers', me, data, expiresIn: token.expiresIn, scope: token.scope } : { kind: 'refused' };
  } catch {
    return { kind: 'unavailable' };
  }
}
