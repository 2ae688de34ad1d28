import { type Call, type Command, DONE } from '../command.ts';
import { describeConfig } from '../config-report.ts';
import { tableOf } from '../terminal.ts';

/** Owns the commands about the configuration. They read the environment that the server reads, reach no database and write no file. */

export const CONFIG_COMMANDS: Command[] = [
  {
    noun: 'config',
    verb: 'check',
    summary: 'Check the environment as the server does when it starts, and name every problem',
    withoutDatabase: true,
    async run({ environment }) {
      describeConfig(environment);
      console.log('the configuration has no problems');
      return DONE;
    },
  },
  {
    noun: 'config',
    verb: 'print',
    summary: 'Show every variable, its value, and its source: the environment, a file (NAME_FILE), DATA_DIR or a default',
    json: true,
    withoutDatabase: true,
    notes: '  Keys and passwords are not shown.',
    run: print,
  },
];

async function print({ environment, json }: Call): Promise<number> {
  const settings = describeConfig(environment);
  console.log(json ? JSON.stringify(settings, null, 2) : tableOf(['name', 'value', 'from'], settings));
  return DONE;
}
