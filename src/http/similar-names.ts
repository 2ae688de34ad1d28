import { LANGUAGES } from './language.ts';
import { translate } from './render.ts';

/**
 * Owns when users would confuse the names of two clients: letters that look alike, in any encoding, and one typing error. Does not know
 * whose names are protected: see verified-names.ts.
 */

// Characters that look like a Latin letter after case folding: [letter, its lookalikes]. They are from Cyrillic, Greek, Armenian, Cherokee,
// phonetic and stroked Latin letters, digits and signs.
const LATIN: [string, string][] = [
  ['a', 'аαɑᴀꭺ@'],
  ['b', 'вβьꮟʙ8'],
  ['c', 'сϲᴄꮯ'],
  ['d', 'ԁɗđꭰᴅ'],
  ['e', 'еεҽɛᴇꭼ3'],
  ['f', 'ƒϝ'],
  ['g', 'ɡցɢꮐ'],
  ['h', 'һнηհʜꮋ'],
  ['i', 'іιıɩꭵ'],
  ['j', 'јյϳꭻ'],
  ['k', 'кκᴋꮶ'],
  ['l', 'ӏłꮮʟ'],
  ['m', 'мμᴍꮇ'],
  ['n', 'ոνɴ'],
  ['o', 'оοσօᴏø0'],
  ['p', 'рρꮲᴘ'],
  ['q', 'ԛզ'],
  ['r', 'гʀꮁ'],
  ['s', 'ѕꮪꜱ5$'],
  ['t', 'тτᴛꭲ'],
  ['u', 'սυᴜ'],
  ['v', 'ѵᴠꮩ'],
  ['w', 'ԝωᴡꮃ'],
  ['x', 'хχ'],
  ['y', 'уγүʏ'],
  ['z', 'ζᴢꮓ'],
];
// Lookalikes among the characters of Chinese, Japanese and Korean.
const WIDE: [string, string][] = [
  ['力', 'カ'],
  ['卜', 'ト'],
  ['工', 'エ'],
  ['口', 'ロ'],
  ['二', 'ニ'],
  ['八', 'ハ'],
  ['夕', 'タ'],
  ['へ', 'ヘ'],
];
const LOOKS_LIKE = new Map([...LATIN, ...WIDE].flatMap(([letter, twins]) => [...twins].map((twin): [string, string] => [twin, letter])));

// A reader cannot tell whether i or l is meant.
const UPRIGHT = /[IІΙӀ1|]/gu;

// Pairs that look like one letter when read fast.
const MERGED: [RegExp, string][] = [
  [/rn/g, 'm'],
  [/vv/g, 'w'],
];

const JAMO_INITIALS = [...'ᄀᄁᄂᄃᄄᄅᄆᄇᄈᄉᄊᄋᄌᄍᄎᄏᄐᄑᄒ'];
// The final consonants from U+11A8 on, as positions among the initial consonants. Normalisation turns a consonant that is written alone,
// such as ㄴ, into an initial one.
const JAMO_FINALS = '0 1 0,9 2 2,12 2,18 3 5 5,0 5,6 5,7 5,9 5,16 5,17 5,18 6 7 7,9 9 10 11 12 14 15 16 17 18'
  .split(' ')
  .map((places) => places.split(',').map((place) => JAMO_INITIALS[Number(place)] as string));

/**
 * Shorter names that differ by one letter are often different words: `Note`, `Notes`, `Mode`. From this length on, the difference is more
 * likely a typing error.
 */
const SLIP_LETTERS = 6;

/**
 * Reduces a name to what users distinguish: without case, spaces, signs, accents, width and script.
 * @param upright how a capital I, a 1 and similar characters are read.
 * @returns empty for a name without letters and digits.
 */
export function foldName(name: string, upright: 'i' | 'l' = 'l'): string {
  // Removes accents and other marks on letters, and composes Hangul syllables again.
  const bare = name.replace(/[™℠]/g, '').normalize('NFKD').replace(/\p{M}/gu, '').normalize('NFKC').replace(UPRIGHT, upright);
  const letters = [...bare.toUpperCase().toLowerCase()].map((letter) => LOOKS_LIKE.get(letter) ?? letter).join('');
  return MERGED.reduce((text, [written, read]) => text.replace(written, read), letters.replace(/[^\p{L}\p{N}]/gu, ''));
}

/** Whether users could confuse two names. */
export function areSimilar(one: string, other: string): boolean {
  return areAlike(looksOf(one), looksOf(other));
}

/** The forms of a name for comparison, computed once for each stored name. */
export type Looks = readonly string[];

export function looksOf(name: string): Looks {
  return [...new Set([foldName(name, 'l'), foldName(name, 'i')])].filter(Boolean);
}

export function areAlike(one: Looks, other: Looks): boolean {
  return one.some((a) => other.some((b) => a === b || inJamo(a) === inJamo(b) || isOneSlipFrom(a, b)));
}

/** Hangul as single letters, independent of how the syllables were composed. */
function inJamo(folded: string): string {
  return [...folded.normalize('NFD')]
    .flatMap((letter) => {
      const final = JAMO_FINALS[(letter.codePointAt(0) as number) - 0x11a8];
      return final ?? [letter];
    })
    .join('');
}

/**
 * Whether two long names with the same first letter differ by one letter: replaced, missing, added, or swapped with its neighbour. An
 * imitator does not change the beginning; `Reader` and `Leader` are two words.
 */
function isOneSlipFrom(one: string, other: string): boolean {
  const [a, b] = [[...one], [...other]].sort((left, right) => left.length - right.length) as [string[], string[]];
  if (a.length < SLIP_LETTERS || b.length - a.length > 1 || a[0] !== b[0]) return false;
  const at = a.findIndex((letter, n) => letter !== b[n]);
  if (at < 0) return true;
  const rest = (letters: string[], from: number) => letters.slice(from).join('');
  if (a.length < b.length) return rest(a, at) === rest(b, at + 1);
  return rest(a, at + 1) === rest(b, at + 1) || (a[at] === b[at + 1] && a[at + 1] === b[at] && rest(a, at + 2) === rest(b, at + 2));
}

const OWN = [...new Set(['Munjigi', ...LANGUAGES.map((language) => translate(language, 'brand'))])].map(looksOf);

/** Whether a name claims to be this server: it is the server's name, or begins with it as a word, as in `Munjigi Support`. */
export function isOwnName(name: string): boolean {
  const first =
    name
      .normalize('NFKC')
      .trim()
      .split(/[^\p{L}\p{M}\p{N}|@$]+/u)[0] ?? '';
  return [name, first].some((part) => OWN.some((own) => areAlike(own, looksOf(part))));
}
