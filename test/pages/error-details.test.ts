import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import Koa from 'koa';
import { answerError, errorBoundary } from '../../src/http/boundary.ts';
import { language } from '../../src/http/language.ts';
import { translate } from '../../src/http/render.ts';
import { requestLog } from '../../src/http/request-id.ts';
import { securityHeaders } from '../../src/http/security-headers.ts';
import { AppError } from '../../src/platform/errors.ts';
import { createLog } from '../../src/platform/log.ts';

/** Pages that the application seldom has reason to show, from the boundary that shows them all. */
describe('The page of an error', () => {
  const lines: string[] = [];
  let fail: (ctx: Koa.Context) => void;
  let origin: string;
  let close: () => void;
  before(async () => {
    const log = createLog('info', { write: (line: string) => void lines.push(line) });
    const app = new Koa();
    app.use(requestLog(log));
    app.use(securityHeaders('http://localhost'));
    app.use(language());
    app.use(errorBoundary(log));
    app.use((ctx) => fail(ctx));
    const server = app.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    close = () => server.close();
  });
  after(() => close());

  const meet = async (headers: Record<string, string> = {}, path = '/somewhere?x=1', init: RequestInit = {}) => {
    const response = await fetch(origin + path, { redirect: 'manual', headers: { accept: 'text/html', ...headers }, ...init });
    return { response, text: await response.text() };
  };
  const lastLine = () => JSON.parse(String(lines.findLast((line) => line.includes('http_request')))) as Record<string, unknown>;

  const errors: Record<string, number> = {
    not_found: 404,
    method_not_allowed: 405,
    request_too_large: 413,
    unsupported_media_type: 415,
    unknown_host: 421,
    too_many_attempts: 429,
    server_error: 500,
    temporarily_unavailable: 503,
    form_refused: 403,
    interaction_expired: 400,
    device_answered: 400,
  };

  for (const [code, status] of Object.entries(errors))
    it(`${status} ${code}: for the person in both languages, and folded for the developer with the id that the log has`, async () => {
      fail = (ctx) => {
        // What was on its way when it failed.
        ctx.redirect('https://client.example/callback?code=secret');
        throw new AppError(code, { status, reason: `why_${code}` });
      };
      for (const language of ['ko', 'en'] as const) {
        const { response, text } = await meet({ 'accept-language': language });
        assert.equal(response.status, status);
        assert.equal(response.headers.get('location'), null);
        assert.equal(response.headers.get('content-language'), language);
        assert.doesNotMatch(text, /client\.example|secret|why_|http-equiv|<script/);
        assert(text.includes(`<h1>${translate(language, `error.${code}.title`)}</h1>`));
        assert(text.includes(translate(language, `error.${code}.text`)));
        const [person, developer = ''] = text.split('<details>');
        const id = String(response.headers.get('x-request-id'));
        assert(!person?.includes(id) && developer.includes(`<code>${id}</code>`));
        assert(developer.includes(`<code>${code}</code>`));
        assert.match(developer, /<time datetime="\d{4}-\d\d-\d\dT[\d:.]+Z">/);
        const line = lastLine();
        assert.deepEqual([line['request_id'], line['status'], line['error'], line['reason']], [id, status, code, `why_${code}`]);
      }
      const { response, text } = await meet({ accept: 'application/json', 'accept-language': 'ko' });
      assert.equal(response.status, status);
      assert.deepEqual(JSON.parse(text), { error: code, error_description: translate('en', `error.${code}.text`) });
      assert.match(JSON.parse(text).error_description, /^[\x20-\x7e]+$/, 'ASCII, in English (RFC 6749 section 5.2)');
    });

  it('says when to come back', async () => {
    for (const [retryAfterSeconds, en, ko] of [
      [840, 'You can try again in 14 minutes.', '14분 뒤에 다시 시도할 수 있어요.'],
      [20, 'You can try again in 1 minute.', '1분 뒤에 다시 시도할 수 있어요.'],
    ] as const) {
      fail = () => {
        throw new AppError('too_many_attempts', { status: 429, retryAfterSeconds });
      };
      for (const [language, sentence] of Object.entries({ en, ko })) {
        const { response, text } = await meet({ 'accept-language': language });
        assert.equal(response.headers.get('retry-after'), String(retryAfterSeconds));
        assert(text.includes(sentence), text);
      }
    }
  });

  it('offers to try again what can be asked for again, by the query alone', async () => {
    fail = () => {
      throw new AppError('temporarily_unavailable', { status: 503 });
    };
    const { response, text } = await meet({ 'accept-language': 'en' }, '//evil.example/?x="><script>');
    assert.equal(response.headers.get('retry-after'), '5');
    assert.match(text, /href="\?x=%22%3E%3Cscript%3E">Try again</);
    assert.doesNotMatch((await meet({}, '/', { method: 'POST' })).text, />Try again</, 'a form is not sent again by a link');
  });

  it('repeats what is said to the developer as text, in the characters that the standard has, and not without end', async () => {
    const hostile = `<img src=x onerror=alert(1)> \u202egnp.exe 은행 ${'x'.repeat(100_000)}`;
    fail = (ctx) => answerError(ctx as never, 'invalid_request', 400, { error: 'invalid_request', error_description: hostile });
    const { text } = await meet();
    const [person = '', developer = ''] = text.split('<details>');
    assert.doesNotMatch(person, /img src=x|gnp/);
    assert(developer.includes('<bdi>&lt;img src=x onerror=alert(1)&gt; ?gnp.exe ?? xxx'));
    assert.doesNotMatch(text, /<img src=x|\u202e|은행/);
    assert(text.length < 5_000, `${text.length}`);
  });

  it('says nothing of what broke on our side', async () => {
    fail = () => {
      throw new TypeError('select * from user_account');
    };
    const { response, text } = await meet();
    assert.equal(response.status, 500);
    assert.doesNotMatch(text, /select|TypeError/);
    assert(lines.some((line) => line.includes('unexpected_error') && line.includes(String(response.headers.get('x-request-id')))));
  });
});
