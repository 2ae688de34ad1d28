import type { Command, Flag } from './command.ts';

/** Owns the help of each level: of the program, of a noun and of a verb. It is made of the table of commands. */

const INDENT = '  ';
// Of a terminal; longer lines wrap wherever the terminal likes.
const WIDTH = 110;

const STANDARD: Record<'yes' | 'json' | 'help', Flag> = {
  yes: { type: 'boolean', help: 'Do not ask first.' },
  json: { type: 'boolean', help: 'Print one JSON document.' },
  help: { type: 'boolean', help: 'Show this.' },
};

/** The flags of a command, with those that every command of its kind takes. */
export function allFlags({ flags, asks, json }: Command): Record<string, Flag> {
  return {
    ...flags,
    ...(asks ? { yes: STANDARD.yes } : undefined),
    ...(json ? { json: STANDARD.json } : undefined),
    help: STANDARD.help,
  };
}

export function programHelp(commands: readonly Command[]): string {
  const nouns = Map.groupBy(commands, ({ noun }) => noun);
  const rows = [...nouns]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([noun, its]): [string, string] => [noun, its.map(({ verb }) => verb).join(', ')]);
  return `Usage: munjigi NOUN VERB [...]

${columns(rows)}

Help: munjigi NOUN --help, munjigi NOUN VERB --help
Exit codes: 0 the command is done, 1 the server refused it or nothing was done, 2 the command line makes no sense.
`;
}

export function nounHelp(noun: string, commands: readonly Command[]): string {
  const rows = commands.map((command): [string, string] => [usageOf(command), sentence(command.summary)]);
  return `Usage: munjigi ${noun} VERB [...]

${columns(rows)}

Help: munjigi ${noun} VERB --help
`;
}

export function commandHelp(command: Command): string {
  const flags = Object.entries(allFlags(command)).map(([name, flag]): [string, string] => [spelled(name, flag), flag.help]);
  const usage = ['Usage: munjigi', command.noun, usageOf(command), '[...]'].join(' ');
  return `${usage}

${wrapped(sentence(command.summary), INDENT)}

${columns(flags)}
${command.notes ? `\n${command.notes.trimEnd()}\n` : ''}`;
}

/** The verb with what it must have. */
function usageOf({ verb, operands = [], flags = {} }: Command): string {
  const required = Object.entries(flags).filter(([, { required }]) => required);
  return [verb, ...operands, ...required.map(([name, flag]) => spelled(name, flag))].join(' ');
}

function spelled(name: string, { type, value, choices }: Flag): string {
  if (type === 'boolean') return `--${name}`;
  return `--${name} ${choices && choices.length <= 4 ? choices.join('|') : (value ?? name.toUpperCase().replaceAll('-', '_'))}`;
}

/** The summaries of acts are written for lists: without a full stop. */
const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

/** Two columns: the second one wraps within itself. */
function columns(rows: [string, string][]): string {
  const longest = Math.max(...rows.map(([left]) => left.length));
  const width = Math.min(longest, 34) + 2;
  return rows
    .map(([left, right]) => {
      const text = wrapped(right, ' '.repeat(INDENT.length + width)).trimStart();
      const broken = left.length + 2 > width ? `\n${' '.repeat(INDENT.length + width)}` : ' '.repeat(width - left.length);
      return `${INDENT}${left}${broken}${text}`;
    })
    .join('\n');
}

function wrapped(text: string, indent: string): string {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && indent.length + last.length + 1 + word.length <= WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.map((line) => `${indent}${line}`).join('\n');
}
