import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { type Call, type Command, DONE, MISUSED, REFUSED, UsageError } from './command.ts';
import { allFlags, commandHelp, nounHelp, programHelp } from './help.ts';

/**
 * Owns what becomes of a command line: which command it names, whether its flags make sense, how an error reads, and the exit code.
 * What a command does is the command's.
 */

export type Surroundings = Pick<Call, 'environment' | 'installed'> & {
  /** Runs around each command that reaches the database, such as to find the embedded one. */
  withDatabase?(work: () => Promise<number>): Promise<number>;
};

/** @param argv what follows the program's name. @returns the exit code: 0 done, 1 refused, 2 the command line makes no sense. @throws never */
export async function runCommandLine(commands: readonly Command[], argv: readonly string[], around: Surroundings): Promise<number> {
  const [noun, verb, ...rest] = argv;
  const named = commands.filter((command) => command.noun === noun);
  if (noun === undefined || !named.length) return programUsage(commands, noun);
  const command = named.find((each) => each.verb === verb);
  if (!command) return nounUsage(noun, named, verb);
  try {
    const call = readCall(command, rest, around);
    if (!call) {
      process.stdout.write(commandHelp(command));
      return DONE;
    }
    const work = () => command.run(call);
    return await (command.withoutDatabase || !around.withDatabase ? work() : around.withDatabase(work));
  } catch (error) {
    return failure(error, command);
  }
}

const isHelp = (word: string | undefined) => word === '--help' || word === '-h' || word === 'help';

function programUsage(commands: readonly Command[], noun: string | undefined): number {
  if (isHelp(noun)) {
    process.stdout.write(programHelp(commands));
    return DONE;
  }
  console.error(`munjigi: ${noun === undefined ? 'write a noun and a verb' : `there is no noun ${noun}`}\n\n${programHelp(commands)}`);
  return MISUSED;
}

function nounUsage(noun: string, named: readonly Command[], verb: string | undefined): number {
  const help = nounHelp(noun, named);
  if (isHelp(verb)) {
    process.stdout.write(help);
    return DONE;
  }
  console.error(`munjigi ${noun}: ${verb === undefined ? 'write a verb' : `there is no verb ${verb}`}\n\n${help}`);
  return MISUSED;
}

/** @returns undefined where the user asks for help. @throws UsageError, and what parseArgs throws for unknown flags. */
function readCall(command: Command, args: string[], { environment, installed }: Surroundings): Call | undefined {
  const known = allFlags(command);
  const options: ParseArgsOptionsConfig = Object.fromEntries(
    Object.entries(known).map(([name, { type, multiple = false }]) => [name, { type, multiple }]),
  );
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  if (values['help']) return undefined;
  assertOperands(command, positionals);
  for (const [name, { required, choices }] of Object.entries(known)) {
    const value = values[name];
    if (required && value === undefined) throw new UsageError(`${command.verb} needs --${name}`);
    const strange = [value].flat().find((word) => choices && word !== undefined && !choices.includes(String(word)));
    if (strange !== undefined) throw new UsageError(`--${name}: ${JSON.stringify(strange)} is none of ${choices?.join(', ')}`);
  }
  const { yes = false, json = false, ...flags } = values;
  return { operands: positionals, flags: flags as Call['flags'], yes: yes === true, json: json === true, environment, installed };
}

function assertOperands({ verb, operands = [] }: Command, given: string[]): void {
  const missing = operands.find((name, n) => !name.startsWith('[') && !given[n]);
  if (missing !== undefined) throw new UsageError(`${verb} needs ${missing}`);
  const [extra] = given.slice(operands.length);
  if (extra !== undefined) throw new UsageError(`${verb} takes no ${JSON.stringify(extra)}`);
}

/** One sentence on stderr; the help follows where the command line makes no sense. */
function failure(error: unknown, command: Command): number {
  const { message, code } = error as NodeJS.ErrnoException;
  const misused = error instanceof UsageError || Boolean(code?.startsWith('ERR_PARSE_ARGS'));
  const help = misused ? `\n\n${commandHelp(command).trimEnd()}` : '';
  console.error(`munjigi ${command.noun} ${command.verb}: ${message || code || String(error)}${help}`);
  return misused ? MISUSED : REFUSED;
}
