import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { areSimilar, foldName, isOwnName } from '../../src/http/similar-names.ts';

describe('Names that users could take for one another', () => {
  const alike: [string, string[]][] = [
    [
      'Bell',
      ['bell', 'BELL', ' Bell ', 'B e l l', 'B.E.L.L', 'Ве11', 'Béll', 'Ｂｅｌｌ', '𝐁𝐞𝐥𝐥', 'Ⓑⓔⓛⓛ', 'BeIl', 'Be||', 'Bell™', 'Веӏӏ', '8ell'],
    ],
    ['Google', ['Gооgle', 'G00gle', 'Goog1e', 'GooglE!', 'Gοοgle', 'Googlе', 'Gooogle', 'Goolge', 'Goøgle']],
    ['PayPal', ['PaypaI', 'Рауpal', 'Pay Pal', 'pay-pal', 'Paypall', 'ΡayΡal']],
    ['LinkedIn', ['Linkedln', 'L1nkedin', 'Iinkedin']],
    ['Amazon', ['Arnazon', 'amаzon', 'Amazom']],
    ['카카오', ['카 카 오', 'ㅋㅏㅋㅏㅇㅗ', '카카오'.normalize('NFD'), '카카오!']],
    ['문서함', ['무ㄴ서함', '문서하ㅁ', '문서 함', '문서함'.normalize('NFKD')]],
    ['닭한마리', ['다ㄹㄱ한마리']],
    ['カード', ['力ード', 'ｶｰﾄﾞ']],
    ['Сбер', ['СБЕР', 'сбер']],
  ];
  const different: [string, string[]][] = [
    ['Note', ['Notes', 'Mote', 'Node', 'Note Two']],
    ['Mail', ['Mall', 'Main', 'Email', 'Mail Notes']],
    ['Reader', ['Leader', 'Header', 'Reader Plus']],
    ['Calendar', ['Colander', 'Calendar Sync', 'My Calendar']],
    ['카카오', ['마카오', '카카오톡', '카카우']],
    ['문어', ['무너', '문의']],
    ['네이버', ['네이비', '네이버스']],
    ['Bell', ['Belt', 'Ball', 'Bells', 'Bell & Sons']],
    ['☕️', ['🦊', '!', '']],
  ];

  it('match despite case, spaces, signs, accents, width, script, jamo and one typing error, in both directions', () => {
    for (const [name, others] of alike)
      for (const other of others) {
        assert(areSimilar(name, other), `${name} ${other}: ${foldName(name)} ${foldName(other)}`);
        assert(areSimilar(other, name), `${other} ${name}`);
      }
  });

  it('do not match words that are only similar', () => {
    for (const [name, others] of different)
      for (const other of others) {
        assert(!areSimilar(name, other), `${name} ${other}: ${foldName(name)} ${foldName(other)}`);
        assert(!areSimilar(other, name), `${other} ${name}`);
      }
  });

  it("match this server's own name, alone or as the first word", () => {
    for (const name of [
      'Munjigi',
      'munjigi',
      'Мunjigi',
      'MUNJ1GI',
      'Munjigi Support',
      'Munjigi-admin',
      '문지기',
      '문지기 계정',
      'ㅁㅜㄴ지기',
      'Munjiigi',
    ])
      assert(isOwnName(name), name);
    for (const name of ['Walk', 'Login with Munjigi', '문지기견', '우리 문지기', '문', '', '🦊', 'Munjong']) assert(!isOwnName(name), name);
  });

  it('are compared in bounded time', () => {
    const [long, other] = ['가'.repeat(100), `${'a'.repeat(99)}b`];
    assert(!areSimilar(long, other));
    assert.equal(foldName('\u{1d400}'.repeat(100)).length, 100);
  });
});
