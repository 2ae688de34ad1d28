import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { passwordProblem } from '../../src/people/password-policy.ts';
import { hashPassword, isOutdated, verifyPassword } from '../../src/people/passwords.ts';

const person = { email: 'gildong.hong@people.example', name: '홍길동' };
const problem = (password: string, whose = person) => passwordProblem(password, whose);

describe('The rules for passwords (NIST SP 800-63B-4 section 3.1.1.2)', () => {
  it('accept eight or more characters of any kind, with spaces, and require no character classes', () => {
    for (const password of [
      'tr8wqmzx',
      'correct horse battery staple',
      'ㄱㄴㄷㄹㅁㅂㅅㅇ',
      '문 앞을 지키는 사람',
      '🗝️🚪🐈🌧️🪁🧭🎻🛶',
      `${'이'.repeat(60)}1234`,
    ])
      assert.equal(problem(password), undefined, password);
    for (const password of ['', 'tr8wqmz', '문지키는사람', '🗝🗝🗝🗝']) assert.equal(problem(password), 'password.too_short', password);
  });

  it('accept 64 characters of any script, and at most 1 kB', () => {
    assert.equal(problem(Array.from({ length: 64 }, (_, n) => String.fromCodePoint(0x1f300 + n)).join('')), undefined);
    assert.equal(problem(`${'ab3'.repeat(341)}d`.slice(0, 1024).replace(/^ab3/, 'xyz')), undefined);
    assert.equal(problem('tr8wqmzx'.repeat(200)), 'password.too_long');
    assert.equal(problem('가나다라마바사'.repeat(50)), 'password.too_long', 'bytes are counted, not characters');
  });

  it('refuse the most common passwords in any spelling', () => {
    for (const password of [
      'password',
      'PassWord',
      'ｐａｓｓｗｏｒｄ',
      '12345678',
      'qwerty123',
      'iloveyou',
      'aaaaaaaaaa',
      '12121212',
      'abcabcabcab',
    ])
      assert.equal(problem(password), 'password.common', password);
  });

  it("refuse a password that consists of the user's own names", () => {
    for (const password of [
      'gildong.hong',
      'Gildong1',
      'gildong.hong@people.example',
      '홍길동홍길동홍길동',
      'munjigi1',
      'HongGildong!!',
      '문지기문지기문지기1',
    ])
      assert.equal(problem(password), 'password.like_yourself', password);
    assert.equal(problem('gildong lives uphill'), undefined);
    assert.equal(problem('ab likes rain', { email: 'ab@x.example', name: 'A B' }), undefined, 'letters are no words');
  });

  it('refuse control characters', () => {
    for (const password of ['tr8wqmzx\u0000', 'tr8w\tqmzx', 'tr8wqmzx\n', 'tr8w\u007fqmzx'])
      assert.equal(problem(password), 'password.unprintable');
  });
});

describe('The hash of a password', () => {
  it('matches in every Unicode composition of the letters', async () => {
    const hash = await hashPassword('비밀번호는 한국어'.normalize('NFC'));
    assert.equal(await verifyPassword(hash, '비밀번호는 한국어'.normalize('NFD')), true);
    assert.equal(await verifyPassword(hash, '비밀번호는 한국'), false);
  });

  it('is outdated when its cost is below the current cost', async () => {
    assert.equal(isOutdated(await hashPassword('tr8wqmzx')), false);
    assert.equal(isOutdated('$argon2id$v=19$m=4096,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$Kq2qSmq4kjfhS0Dcsn8wwkFV8Kd3Yx0kPqRZVdDQXfM'), true);
  });
});
