import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { displayName } from '../../src/oauth/clients/display-name.ts';
import { isBlank, isDeceptive } from '../../src/platform/visible-text.ts';

const FINE = {
  Korean: '박문지',
  'Korean in letters that are put together': '박문지'.normalize('NFD'),
  'an accent that stands apart': 'Jose\u0301 Mu\u0308ller',
  Vietnamese: 'Nguyễn Thị Ánh'.normalize('NFD'),
  Thai: 'สมชาย ใจดี',
  Arabic: 'مُحَمَّد',
  'Persian with a non-joiner': 'علی\u200cرضا',
  'Sinhala with a joiner': 'ශ්\u200dරී',
  Hindi: 'क्\u200dषत्रिय',
  'Hebrew with points': 'שָׁלוֹם',
  'a family of emoji': '👩\u200d👩\u200d👧 Kim',
  'emoji with a skin and a selector': '👍🏽 ☎\ufe0f 1\ufe0f\u20e3',
  'a flag': '🇰🇷 Seoul',
  'an ideograph with its variant': '葛\u{e0100}城',
  signs: 'A & B™ (№ 1) – “x”',
};

const HIDDEN = {
  'Hangul filler': '\u3164',
  'halfwidth filler': '\uffa0',
  'initial filler': '\u115f',
  'medial filler': '\u1160',
  'braille blank': '\u2800',
  tags: '\u{e0041}\u{e0042}',
  'a tag after a flag': '🏴\u{e0067}\u{e007f}',
  'a lone mark': '\u0301',
  'an enclosing mark': '\u20dd',
  'a lone selector': '\ufe0f',
  'a lone joiner': '\u200d',
  'joiner and mark': '\u200d\u0301',
  'a mark on a blank': '\u2800\u0301',
  'Khmer inherent vowel': '\u17b4',
  'grapheme joiner': '\u034f',
  'soft hyphen': '\u00ad',
  'word joiner': '\u2060',
  'Mongolian selector': '\u180b',
  'null notehead': '\u{1d159}',
  'musical control': '\u{1d173}',
  'hieroglyph blank': '\u{13441}',
  'annotation anchor': '\ufff9',
  'object replacement': '\ufffc',
  'private use': '\ue000',
  unassigned: '\u{e0fff}',
  override: '\u202e',
  'line separator': '\u2028',
};

const BETWEEN = {
  'a joiner in a Latin word': 'Goo\u200dgle',
  'a non-joiner in a Hangul word': '문\u200c지',
  'a selector in a Latin word': 'Goo\ufe0fgle',
  'a mark after a space': 'a \u0301b',
};

describe('A name', () => {
  it('may be written in any script', () => {
    for (const [what, name] of Object.entries(FINE)) {
      assert.deepEqual([isDeceptive(name), isBlank(name)], [false, false], what);
      assert.equal(displayName(name, '-'), name, what);
    }
  });

  it('must not contain anything invisible', () => {
    for (const [what, part] of Object.entries(HIDDEN)) {
      for (const name of [part, `${part}a`, part.repeat(3)]) assert.equal(isDeceptive(name), true, `${what} ${JSON.stringify(name)}`);
      if (what !== 'a tag after a flag') {
        assert.equal(isBlank(part), true, what);
        assert.equal(displayName(part, 'none'), 'none', what);
      }
    }
    for (const [what, name] of Object.entries(BETWEEN)) assert.equal(isDeceptive(name), true, what);
  });

  it('must not be only space', () => {
    for (const name of ['', ' ', '\u3000', '\u00a0\u2003', '\u202f']) assert.equal(isBlank(name), true);
  });

  it('is checked in time linear in its length', () => {
    for (const part of ['\u0301', '\u200d', '\u200d\u0301', 'a', '葛\u{e0100}', '\u2800\u0301']) {
      const began = performance.now();
      displayName(part.repeat(50_000), '');
      assert.ok(performance.now() - began < 500, JSON.stringify(part));
    }
  });
});
