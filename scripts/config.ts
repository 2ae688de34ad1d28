import { parseArgs } from 'node:util';
import { describeConfig } from '../src/platform/config-report.ts';
import { runCommand, table, UsageError } from './command.ts';

const HELP = `Usage: node scripts/config.ts check|print

  check   says everything that is wrong with the environment, as the server does when it starts, and exits with 1 then
  print   shows every variable, what holds, and where it comes from: the environment, a file (NAME_FILE), DATA_DIR or a default. Keys and
          passwords are not shown

  --help  shows this

It reads the environment that the server reads, reaches no database and makes no file.
`;

await runCommand('config', HELP, async () => {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { help: { type: 'boolean' } } });
  const [command, ...more] = positionals;
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (more.length || (command !== 'check' && command !== 'print')) throw new UsageError('say what to do: check or print');
  const settings = describeConfig(process.env);
  if (command === 'check') console.log('the configuration has no problems');
  else console.log(table([['NAME', 'VALUE', 'FROM'], ...settings.map(({ name, value, from }) => [name, value, from])]));
  return 0;
});
