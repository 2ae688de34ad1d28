import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** One sentence that a reader may stumble over. `line` counts from 1. */
export type Finding = { file: string; line: number; why: string; sentence: string };

type Passage = { line: number; text: string };

/** The longest sentence that passes. The house aims at 25 words; the test leaves some room. */
const MOST_WORDS = 30;

/** Each of these hid a plain word. The list grows; it does not shrink. */
const UNPLAIN: [RegExp, string][] = [
  [/\bwhoever\b/i, 'whoever'],
  [/\bwhatever\b/i, 'whatever'],
  [/\banew\b/i, 'anew'],
  [/\blately\b/i, 'lately'],
  [/\bat present\b/i, 'at present'],
  [/\bnobody['’]s\b/i, 'nobody’s'],
  [/\bin the place of\b/i, 'in the place of'],
  [/\bas good as\b/i, 'as good as'],
  [/\bbe so\b/i, 'be so'],
  [/\bwho does so\b/i, 'who does so'],
  [/\bwhose (?:it|that|this) (?:is|was|becomes)\b/i, 'whose it is'],
  [/\b(?:is|are|was|were) told\b/i, 'is told'],
  [/\b(?:is|are) kept\b/i, 'is kept'],
  [/\b(?:is|are) gone\b/i, 'is gone'],
];

/** Where no sentence ends, although a full stop and a space stand there. */
const ABBREVIATION = /\b(?:e\.g|i\.e|cf|vs|etc|No|St)\.$/;

/** @returns the sentences of one paragraph, each with the line on which it begins. */
const sentences = (passage: Passage): Passage[] => {
  const found: Passage[] = [];
  let line = passage.line;
  for (const part of passage.text.split(/(?<=[.!?]["'”’)`]*)(\s+)(?=[A-Z0-9`"'“‘({[@])/)) {
    const before = found.at(-1);
    if (before && ABBREVIATION.test(before.text)) before.text += ` ${part.trim()}`;
    else if (part.trim()) found.push({ line, text: part.trim().replaceAll('\n', ' ') });
    line += part.split('\n').length - 1;
  }
  return found;
};

/** Text in backticks counts as one word. */
const words = (sentence: string) =>
  sentence
    .replace(/`[^`]*`/g, 'code')
    .replace(/\{@link[^}]*\}/g, 'link')
    .split(/\s+/)
    .filter((word) => /[\p{L}\p{N}]/u.test(word)).length;

const judge = (sentence: string) => [
  ...(words(sentence) > MOST_WORDS ? [`${words(sentence)} words`] : []),
  ...UNPLAIN.filter(([pattern]) => pattern.test(sentence.replace(/`[^`]*`/g, ''))).map(([, word]) => `“${word}”`),
];

/** Whether a quotation is open at the end of `code`: what follows is text of the program and no comment. */
const insideQuotation = (code: string) => [`'`, '"', '`'].some((quote) => (code.replace(/\\./g, '').split(quote).length - 1) % 2 === 1);

/** @returns the text of the comment on one line, or undefined where the line has none, and whether a block stays open after it. */
const commentOn = (line: string, open: boolean): { text?: string; open: boolean } => {
  if (open) return { text: line.replace(/^\s*\*?(?!\/)/, '').replace(/\*\/.*$/, ''), open: !line.includes('*/') };
  const block = /^\s*\/\*\*?(.*?)(\*\/|$)/.exec(line);
  if (block) return { text: block[1], open: block[2] === '' };
  const trailing = /^(.*?)(?:^|\s)\/\/(?:\s(.*))?$/.exec(line);
  if (!trailing || insideQuotation(trailing[1] ?? '')) return { open: false };
  return { text: trailing[2] ?? '', open: false };
};

/** A paragraph ends at an empty line, at a tag of a docstring and at an item of a list. */
const BEGINS = /^(?:@\w+|[-*] |\d+\. )/;

/** Comments of TypeScript or JavaScript by paragraph; a paragraph may run over several lines. */
const commentsOf = (source: string): Passage[] => {
  const passages: Passage[] = [];
  let open = false;
  let before: 'text' | 'none' = 'none';
  for (const [index, line] of source.split('\n').entries()) {
    const trails = !open && !/^\s*\/[/*]/.test(line);
    const comment = commentOn(line, open);
    open = comment.open;
    const text = comment.text?.trim() ?? '';
    if (text === '' || /^biome-ignore|^@ts-/.test(text)) {
      before = 'none';
      continue;
    }
    const last = passages.at(-1);
    if (before === 'text' && last && !trails && !BEGINS.test(text)) last.text += `\n${text}`;
    else passages.push({ line: index + 1, text });
    before = open || /^\s*\/\//.test(line) ? 'text' : 'none';
  }
  return passages;
};

const branchesOf = (argument: string): string[] => {
  const branches: string[] = [];
  let depth = 0;
  let from = 0;
  for (const [index, letter] of [...argument].entries()) {
    if (letter === '{' && depth++ === 0) from = index + 1;
    if (letter === '}' && --depth === 0) branches.push(argument.slice(from, index));
  }
  return branches;
};

/** @returns what a message of ICU's syntax can say: one text for each branch of its first choice, choices inside it likewise. */
export const textsOf = (message: string): string[] => {
  const start = /\{\w+, (?:plural|select|selectordinal),/.exec(message)?.index;
  if (start === undefined) return [message.replace(/\{\w+[^{}]*\}/g, 'N').replace(/<\/?\w+>/g, '')];
  let end = start;
  let depth = 0;
  do {
    if (message[end] === '{') depth++;
    if (message[end] === '}') depth--;
    end++;
  } while (depth > 0 && end < message.length);
  const branches = branchesOf(message.slice(start + 1, end - 1));
  return branches.flatMap((branch) => textsOf(message.slice(0, start) + branch + message.slice(end)));
};

/** The messages of a language, a key on each line. */
const messagesOf = (source: string): Passage[] =>
  source.split('\n').flatMap((line, index) => {
    const value = /^\s*"[^"]+":\s*("(?:[^"\\]|\\.)*"),?\s*$/.exec(line)?.[1];
    return value ? textsOf(JSON.parse(value)).map((text) => ({ line: index + 1, text })) : [];
  });

/**
 * Reads the comments of a source file, or the messages of a `.json` file.
 * @param file the name that findings carry
 * @param source the text of the file
 * @returns a finding for each sentence of more than 30 words and for each word of the list; none twice
 */
export const findingsIn = (file: string, source: string): Finding[] => {
  const passages = file.endsWith('.json') ? messagesOf(source) : commentsOf(source);
  const all = passages.flatMap(sentences).flatMap(({ line, text }) => judge(text).map((why) => ({ file, line, why, sentence: text })));
  return [...new Map(all.map((finding) => [JSON.stringify(finding), finding])).values()];
};

const LEFT_OUT = /(?:^|\/)(?:node_modules|src\/platform\/prisma)(?:\/|$)/;

/**
 * Reads folders with all that is below them, and files.
 * @param paths folders or files; a folder that does not exist counts as empty
 * @returns the findings of `.ts`, `.mjs` and `.cjs` files, and of `.json` files that were named themselves
 */
export const findingsBelow = (paths: string[]): Finding[] =>
  paths.flatMap((path) => {
    const kind = statSync(path, { throwIfNoEntry: false });
    if (!kind) return [];
    const files = kind.isFile()
      ? [path]
      : readdirSync(path, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile() && /\.(?:ts|mjs|cjs)$/.test(entry.name))
          .map((entry) => join(entry.parentPath, entry.name));
    return files
      .filter((file) => !LEFT_OUT.test(file))
      .toSorted()
      .flatMap((file) => findingsIn(file, readFileSync(file, 'utf8')));
  });

/** One line a finding, as the test and the command print it. */
export const asLine = ({ file, line, why, sentence }: Finding) => `${file}:${line} (${why}) ${sentence}`;
