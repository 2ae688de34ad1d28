import { parseArgs } from 'node:util';
import { main } from './munjigi.ts';

/** Owns the old names: scripts/NAME.ts runs the command that replaces it, and names that command on stderr. They leave with the next release. */

type Translate = (verb: string, rest: string[]) => string[];

/** Reads flags that the old script had, out of the others. */
function taken(rest: string[], options: Record<string, { type: 'string' | 'boolean' }>) {
  const { values, positionals, tokens } = parseArgs({ args: rest, options, strict: false, allowPositionals: true, tokens: true });
  const mine = tokens.filter((token) => token.kind === 'option' && Object.hasOwn(options, token.name));
  const gone = new Set(
    mine.flatMap((token) =>
      'inlineValue' in token && token.value !== undefined && !token.inlineValue ? [token.index, token.index + 1] : [token.index],
    ),
  );
  return { values: values as Record<string, string | boolean | undefined>, positionals, rest: rest.filter((_, index) => !gone.has(index)) };
}

const [text, bare] = [{ type: 'string' }, { type: 'boolean' }] as const;

const ROLES: Record<string, string> = { 'make-admin': 'admin', 'unmake-admin': 'user' };

const account: Translate = (verb, rest) => {
  if (verb === 'create') {
    const { values, rest: others } = taken(rest, { admin: bare });
    const [email = '', ...flags] = others;
    return ['people', 'create', '--email', email, ...(values['admin'] ? ['--role', 'admin'] : []), ...flags];
  }
  if (ROLES[verb]) return ['people', 'change-role', ...rest, '--role', ROLES[verb]];
  if (verb !== 'set-role') return ['people', verb, ...rest];
  const [email = '', role = '', ...flags] = rest;
  return ['people', 'change-role', email, '--role', role, ...flags];
};

const CLIENT: Record<string, string[]> = {
  show: ['describe'],
  'disallow-services': ['allow-services', '--services', ''],
  'allow-admin': ['allow-admin-scopes'],
  'disallow-admin': ['allow-admin-scopes', '--scopes', ''],
};

const client: Translate = (verb, rest) => ['clients', ...(CLIENT[verb] ?? [verb]), ...rest];

const tokens: Translate = (verb, rest) => {
  if (verb !== 'revoke') return ['tokens', verb, ...rest];
  const { values, rest: flags } = taken(rest, { client: text, account: text, grant: text, token: text });
  const { client, account, grant, token } = values as Record<string, string>;
  if (client !== undefined && account !== undefined) return ['grants', 'end-between', '--client', client, '--account', account, ...flags];
  if (client !== undefined) return ['clients', 'end-access', client, ...flags];
  if (account !== undefined) return ['people', 'end-access', account, ...flags];
  return grant === undefined ? ['tokens', 'end', ...flags, '--', token ?? ''] : ['grants', 'end', ...flags, '--', grant];
};

const keys: Translate = (verb, rest) => {
  const { values, rest: flags } = taken(rest, { now: bare });
  return ['keys', values['now'] ? 'replace' : verb, ...flags];
};

const registration: Translate = (subject, [verb = '', ...rest]) => {
  if (subject === 'issuer') return ['software-issuers', verb, ...rest];
  const { values, rest: flags } = taken(rest, { clients: text, 'expire-in': text, 'with-clients': bare });
  const hours = values['expire-in'];
  const named = verb === 'revoke' ? (values['with-clients'] ? 'end-with-clients' : 'end') : verb;
  return [
    ...['initial-access-tokens', named, ...flags],
    ...(values['clients'] === undefined ? [] : ['--max-clients', String(values['clients'])]),
    ...(hours === undefined ? [] : ['--expires-in-seconds', String(Number(hours) * 3600)]),
  ];
};

const ALIASES = {
  account,
  client,
  config: (verb, rest) => ['config', verb, ...rest],
  data: (verb, rest) => ['data', verb, ...rest],
  import: (...[first, rest]) => ['clients', 'import', ...(first ? [first] : []), ...rest],
  keys,
  provider: (verb, rest) => ['providers', verb, ...rest],
  registration,
  restored: (...[first, rest]) => ['database', 'after-restore', ...(first ? [first] : []), ...rest],
  tokens,
} satisfies Record<string, Translate>;

/** Runs what replaces a script. */
export async function alias(script: keyof typeof ALIASES): Promise<void> {
  const [verb = '', ...rest] = process.argv.slice(2);
  const argv = ALIASES[script](verb, rest).filter((word, n) => n !== 1 || word);
  console.error(`scripts/${script}.ts leaves with the next release: use munjigi ${argv.slice(0, 2).join(' ')}`);
  await main(argv);
}
