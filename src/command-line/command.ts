import type { ProtocolFeature } from '../oauth/feature.ts';
import type { Statement } from '../platform/database.ts';
import type { SealedColumn } from '../platform/sealed-column.ts';

/** Owns the shape of a command of `munjigi`: one row of the table that the command line, its help and its tests are made of. */

export type Flag = {
  type: 'string' | 'boolean';
  /** What it means, in one sentence. */
  help: string;
  /** What stands for its value in the help: `NAME`. */
  value?: string;
  multiple?: true;
  required?: true;
  /** The only values that it takes. */
  choices?: readonly string[];
};

export type FlagValue = string | boolean | string[] | undefined;

/** What the server is made of, for commands that need all of it. */
export type Installed = {
  features: readonly (ProtocolFeature & { afterRestore?(): Statement[] })[];
  /** Columns that only the key ring opens. */
  sealedColumns: readonly SealedColumn[];
};

/** What a user of the command line wrote, after the noun and the verb. */
export type Call = {
  operands: string[];
  flags: Record<string, FlagValue>;
  /** The user wrote --yes: the command does not ask. */
  yes: boolean;
  /** The user wrote --json: the command prints one JSON document. */
  json: boolean;
  /** The environment of the process, as src/platform/config.ts reads it. */
  environment: NodeJS.ProcessEnv;
  installed: Installed;
};

/** `munjigi <noun> <verb>`. A feature brings its commands by `commands` of src/feature.ts. */
export type Command = {
  noun: string;
  verb: string;
  /** What it does, in one sentence. */
  summary: string;
  /** Names of what stands after the verb, in order. One in brackets may be left out: `[NAME]`. */
  operands?: readonly string[];
  flags?: Readonly<Record<string, Flag>>;
  /** It asks before it acts, unless the user wrote --yes. */
  asks?: true;
  /** It can print JSON. */
  json?: true;
  /** It reaches no database. */
  withoutDatabase?: true;
  /** What the help says below the flags. */
  notes?: string;
  /** @returns the exit code: 0 done, 1 refused. @throws UsageError for what makes no sense; Error with the sentence of a refusal. */
  run(call: Call): Promise<number>;
};

/** An argument that makes no sense: the help of the command follows the sentence, and the exit code is 2. */
export class UsageError extends Error {}

export const DONE = 0;
export const REFUSED = 1;
export const MISUSED = 2;
