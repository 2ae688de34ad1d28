/**
 * Owns which characters a name may have: the name of a user, a client, an API, a scope or a label. A reader must see each of them, and none
 * may move or hide the text around it.
 */

// Visible format characters, drawn with the digits that follow them (Unicode "prepended concatenation marks").
const DRAWN_FORMATS = String.raw`\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u{110bd}\u{110cd}`;
const JOINERS = String.raw`\u200c\u200d`;
const SELECTORS = String.raw`\ufe00-\ufe0f\u{e0100}-\u{e01ef}`;
const MONGOLIAN_SELECTORS = String.raw`\u180b-\u180d\u180f`;

// Fillers (Hangul and others) and tags are default-ignorable. The last four are letters or symbols without ink: braille, music,
// hieroglyphs.
const HIDDEN = String.raw`[[\p{Cc}\p{Cn}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Cf}\p{DI}\ufff9-\ufffc\u2800\u{1d159}\u{13441}\u{13442}]--[${DRAWN_FORMATS}${JOINERS}${SELECTORS}${MONGOLIAN_SELECTORS}]]`;

// A joiner has an effect in joining scripts and between emoji. In other scripts it is invisible within a word.
const JOINABLE = String.raw`[[[\p{L}\p{M}]--[\p{sc=Latin}\p{sc=Greek}\p{sc=Cyrillic}\p{sc=Hangul}\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}]]\p{Extended_Pictographic}\p{Emoji_Modifier}]`;
// A selector chooses a picture of an emoji, a symbol or an ideograph.
const SELECTABLE = String.raw`[\p{Emoji}\p{S}\p{sc=Han}\p{sc=Myanmar}\p{sc=Phags_Pa}]`;
// Characters that a mark can be drawn on.
const BASE = String.raw`[[\p{L}\p{N}\p{P}\p{S}\p{M}${JOINERS}]--${HIDDEN}]`;

const DECEPTIVE_TEXT = [
  HIDDEN,
  // A mark without a base is drawn on the text before the name.
  String.raw`(?<!${BASE})[\p{M}${JOINERS}]+`,
  `(?<!${JOINABLE})[${JOINERS}]`,
  `(?<!${SELECTABLE})[${SELECTORS}]`,
  String.raw`(?<!\p{sc=Mongolian})[${MONGOLIAN_SELECTORS}]`,
].join('|');

const DECEPTIVE = new RegExp(DECEPTIVE_TEXT, 'v');
const EACH_DECEPTIVE = new RegExp(DECEPTIVE_TEXT, 'gv');
const INK = /[\p{L}\p{N}\p{P}\p{S}]/v;

/** Whether the text has invisible characters, or characters that reorder or cover the text around it. */
export const isDeceptive = (text: string): boolean => DECEPTIVE.test(text);

/** @param instead returns the replacement of each deceptive part: empty, or a visible placeholder. */
export const withoutDeceptive = (text: string, instead: (part: string) => string): string => text.replace(EACH_DECEPTIVE, instead);

/** Whether a reader sees nothing of it. */
export const isBlank = (text: string): boolean => !INK.test(withoutDeceptive(text, () => ''));
