import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeConfig } from '../src/command-line/config-report.ts';
import { ConfigError, parseEnvironment } from '../src/platform/config.ts';
import { schema } from '../src/platform/config-schema.ts';

/**
 * Writes docs/configuration.md: names, accepted values and defaults from src/platform/config-schema.ts, the meaning from .env.example.
 * test/docs/configuration.test.ts fails while the page is older than either of them.
 */

const HELP = `Usage: node scripts/configuration-page.ts

  Writes docs/configuration.md from src/platform/config-schema.ts and .env.example.

  --help  shows this
`;

const ROOT = join(import.meta.dirname, '..');
export const PAGE = join(ROOT, 'docs/configuration.md');

const DATABASE_URL = 'postgres://munjigi@localhost/munjigi';
const SECRET = Buffer.alloc(32).toString('base64');
const NAMES = Object.keys(schema.shape) as (keyof typeof schema.shape)[];

const INTRODUCTION = `# Configuration

The server reads environment variables once, when it starts (\`src/platform/config.ts\`). It lists every problem in one message and exits with 1.
Each variable may come as \`NAME_FILE\` instead: the path of a file that has the value.

\`node scripts/config.ts check\` says what is wrong. \`node scripts/config.ts print\` shows what holds and where it comes from, without secrets.

\`node scripts/configuration-page.ts\` writes this page from \`src/platform/config-schema.ts\` and \`.env.example\`. Change those, not this page.
`;

/** @returns the page as it should be, in Markdown. */
export async function configurationPage(): Promise<string> {
  const meanings = meaningsIn(await readFile(join(ROOT, '.env.example'), 'utf8'));
  const [required, development, production] = [requiredInProduction(), defaultsIn({}), defaultsIn(PRODUCTION)];
  const inDevelopment = (name: string) => (isRequired(name) ? '**required**' : cell(name, development));
  const inProduction = (name: string) => (isRequired(name) || required.has(name) ? '**required**' : cell(name, production));
  const rows = ordered(meanings).map(
    (name) => `| [\`${name}\`](#${name.toLowerCase()}) | ${inDevelopment(name)} | ${inProduction(name)} |`,
  );
  const sections = ordered(meanings).map((name) => [`## ${name}`, meanings.get(name), acceptedBy(name)].filter(Boolean).join('\n\n'));
  return [INTRODUCTION, ['| name | development | production |', '|---|---|---|', ...rows].join('\n'), ...sections]
    .join('\n\n')
    .replace(/\n{3,}/g, '\n\n')
    .concat('\n');
}

const PRODUCTION = {
  NODE_ENV: 'production',
  ISSUER: 'https://auth.example.com',
  SMTP_URL: 'smtps://mail.example.com',
  TRUST_PROXY: 'none',
  COOKIE_KEYS: SECRET,
  DATA_ENCRYPTION_KEYS: SECRET,
};

/** What holds where nothing is set, by name. */
function defaultsIn(given: Record<string, string>): Map<string, string> {
  const settings = describeConfig({ DATABASE_URL, DATA_DIR: '/nowhere', ...given });
  return new Map(settings.map(({ name, value, from }) => [name, name === 'DATA_DIR' ? '.data' : from.includes('DATA_DIR') ? MADE : value]));
}

const MADE = 'made once in `DATA_DIR`';

function cell(name: string, values: Map<string, string>): string {
  const value = values.get(name) ?? '-';
  return value === '-' ? 'not set' : value === MADE ? value : `\`${value}\``;
}

/** Of the schema, in both environments. */
const isRequired = (name: string) => !schema.shape[name as keyof typeof schema.shape].safeParse(undefined).success;

/** Of production alone. TRUST_PROXY is required with an https issuer, and ISSUER is required itself. */
function requiredInProduction(): Set<string> {
  const problems = [{}, { ISSUER: PRODUCTION.ISSUER }].flatMap((given) => {
    try {
      parseEnvironment({ DATABASE_URL, NODE_ENV: 'production', ...given });
      return [];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return error.problems;
    }
  });
  return new Set(problems.flatMap((problem) => /^(\w+) is required/.exec(problem)?.[1] ?? []));
}

/** What the schema says about a value that it refuses. */
function acceptedBy(name: keyof typeof schema.shape): string | undefined {
  for (const wrong of ['?', '']) {
    const message = schema.shape[name].safeParse(wrong).error?.issues[0]?.message;
    if (message?.startsWith('must ')) return `The value ${message}.`;
  }
  return undefined;
}

/** The comment above each variable; variables that follow one another share it. */
function meaningsIn(example: string): Map<string, string> {
  const meanings = new Map<string, string>();
  let comment: string[] = [];
  let isTaken = false;
  for (const line of example.split('\n')) {
    const [, name] = /^([A-Z_]+)=/.exec(line) ?? [];
    if (name) {
      meanings.set(name, comment.map((part) => part.replace(/^# ?/, '')).join('\n'));
      isTaken = true;
    } else if (line.startsWith('#')) {
      comment = isTaken || !comment.length ? [line] : [...comment, line];
      isTaken = false;
    } else comment = [];
  }
  return meanings;
}

/** In the order of .env.example, and all there are. @throws Error for a variable that one of the two lacks. */
function ordered(meanings: Map<string, string>): typeof NAMES {
  const strange = [
    ...NAMES.filter((name) => !meanings.has(name)),
    ...[...meanings.keys()].filter((name) => !NAMES.includes(name as never)),
  ];
  if (strange.length) throw new Error(`.env.example and the schema differ: ${strange.join(', ')}`);
  return [...meanings.keys()] as typeof NAMES;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { help: { type: 'boolean' } } });
  if (values.help) process.stdout.write(HELP);
  else await writeFile(PAGE, await configurationPage());
}
