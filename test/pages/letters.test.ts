import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LANGUAGES, type Language } from '../../src/http/language.ts';
import { composeLetter, type LetterName, type Letters } from '../../src/http/letters.ts';

const ISSUER = 'https://auth.example.com';
const OCCASION = {
  issuer: ISSUER,
  visitor: { address: '203.0.113.0/24', browser: 'Chrome, Windows' },
  at: new Date('2026-11-21T14:05:00Z'),
};
const NOT_ME = `${ISSUER}/account/not-me?token=V1StGXR8_Z5jdHi6B-myT`;
const PROOF = { code: '48291375', link: `${ISSUER}/interaction/uid/proof?secret=a&b=c`, minutes: 15 };

/** Each letter with what it is told, where a name is anything that somebody may be called. */
const told = (name: string): { [Name in LetterName]: Letters[Name] } => ({
  sign_up: PROOF,
  already_registered: { person: name },
  reset_password: { ...PROOF, person: name },
  account_made: { link: PROOF.link, minutes: PROOF.minutes, person: name },
  no_account: {},
  prove_mailbox: { code: PROOF.code, minutes: PROOF.minutes, person: name },
  change_email: PROOF,
  email_changed: { person: name, notMe: NOT_ME, email: 'gildong@people.example' },
  password_changed: { person: name, notMe: NOT_ME },
  factor_changed: { person: name, notMe: NOT_ME, factor: 'passkey', change: 'added', called: name },
  deletion_scheduled: { person: name, notMe: NOT_ME, until: new Date('2026-12-05T14:05:00Z') },
  identity_changed: { person: name, notMe: NOT_ME, provider: name, change: 'linked' },
  new_device: { person: name, notMe: NOT_ME },
  owner_invited: { person: name, notMe: NOT_ME, app: name, invited: 'friend@people.example' },
  owner_joined: { person: name, notMe: NOT_ME, app: name, invited: 'friend@people.example' },
  client_secret_made: { person: name, notMe: NOT_ME, app: name },
  given_back: { person: name },
  client_operated: { person: name, app: name, what: 'client_restored' },
  client_invitation: { link: `${ISSUER}/developer/invitations`, days: 7 },
});

const compose = (language: Language, name: LetterName, person = '홍길동') =>
  composeLetter(language, name, { ...(told(person)[name] as object), ...OCCASION } as never);

describe('Letters', () => {
  for (const name of Object.keys(told('')) as LetterName[])
    for (const language of LANGUAGES)
      it(`${name} in ${language}: says the same as text and as HTML, who asked from where and when, and what to do if it was not you`, () => {
        const { subject, text, html, ...rest } = compose(language, name);
        assert.deepEqual(rest, { language });
        const shown = html
          .replace(/<style>[\s\S]*<\/style>/, '')
          .replace(/<[^>]+>/g, '')
          .replaceAll('&amp;', '&');
        const time = { ko: '2026년 11월 21일 오후 11:05 (한국 시간)', en: 'November 21, 2026 at 2:05 PM (UTC)' }[language];
        const { ko, en } = {
          ko: /본인이 아니라면|모르는 초대라면|예상하지 못한 일이라면/,
          en: /If it was not you|If you did not expect this/,
        };
        for (const version of [text, shown]) {
          for (const part of [subject, time, 'Chrome, Windows', '203.0.113.0/24', ISSUER])
            assert(version.includes(part), `${part} in ${version}`);
          assert.match(version, language === 'ko' ? ko : en);
          assert.equal(version.includes(PROOF.code), 'code' in told('')[name]);
          assert.equal(version.includes(PROOF.link), (told('')[name] as { link?: string }).link === PROOF.link);
          assert.equal(version.includes(NOT_ME), 'notMe' in told('')[name], 'the link to say so, where there is something to undo');
          assert.equal(version.includes('홍길동'), 'person' in told('')[name]);
          assert(!/undefined|\[object|\{\w+\}/.test(version), version);
        }
        assert.match(html, new RegExp(`<html lang="${language}">`));
        assert(
          !/<(img|script|link|iframe|form|object)\b|url\(|@import|https?:\/\/(?!auth\.example\.com)/i.test(html),
          'nothing is loaded, and nobody is told',
        );
        assert(!/\n{3}/.test(text) && !/[^\S\n]$/m.test(text.replace('-- \n', '')), 'the text is as neat');
      });

  it('tell to the old address only as much of the new one as its person knows it by', () => {
    const { text, html } = compose('en', 'email_changed');
    for (const version of [text, html]) assert(version.includes('g…@people.example') && !version.includes('gildong'));
  });

  it('name each factor and what became of it', () => {
    const subjects = (['passkey', 'totp', 'recovery_codes'] as const).flatMap((factor) =>
      (['added', 'removed'] as const).flatMap((change) =>
        LANGUAGES.map(
          (language) => composeLetter(language, 'factor_changed', { person: 'a', notMe: NOT_ME, factor, change, ...OCCASION }).subject,
        ),
      ),
    );
    assert.equal(new Set(subjects).size, 12);
  });

  it('say so when a browser or network is unknown', () => {
    const visitor = { address: '', browser: undefined };
    assert.match(composeLetter('en', 'no_account', { ...OCCASION, visitor }).text, /Browser: Unknown\nNetwork: Unknown\n/);
    assert.match(composeLetter('ko', 'no_account', { ...OCCASION, visitor }).text, /브라우저: 알 수 없음\n네트워크: 알 수 없음\n/);
  });

  const hostile: Record<string, string> = {
    'begins other headers': 'Kim\r\nBcc: other@people.example\r\nSubject: won',
    'begins another line': 'Kim\n\n-- \nYour code: 1234',
    'begins a line in Unicode': 'Kim\u2028Your code: 1234\u2029\u0085more',
    'is markup': `<img src=x onerror=alert(1)><a href="https://evil.example">'"&`,
    'turns the text around': 'Kim\u202e\u2066moc.elpmaxe\u2069',
    'has control characters': 'Kim\0\x1b[31m\x7f',
    'is endless': 'x'.repeat(10_000),
    'has half a character': 'Kim\ud800',
    'is a template': '{name} <%= it.code %> {person}',
  };
  for (const [what, name] of Object.entries(hostile))
    it(`a name that ${what} stays a name, on its line`, () => {
      for (const language of LANGUAGES)
        for (const letter of ['factor_changed', 'reset_password'] as const) {
          const [plain, attacked] = [compose(language, letter, 'Kim'), compose(language, letter, name)];
          assert.equal(attacked.subject, plain.subject);
          assert.equal(attacked.text.split(/[\n\r\u2028\u2029\u0085]/).length, plain.text.split('\n').length);
          assert.equal(attacked.html.split('\n').length, plain.html.split('\n').length);
          assert.equal(attacked.html.match(/<\w/g)?.length, plain.html.match(/<\w/g)?.length, 'no element more');
          assert.doesNotMatch(attacked.text + attacked.html, /[\p{Cs}\p{Bidi_Control}]|(?!\n)\p{Cc}/u);
          assert(attacked.text.length < plain.text.length + 300);
        }
    });
});
