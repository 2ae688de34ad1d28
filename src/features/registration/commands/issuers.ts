import { readFileSync } from 'node:fs';
import { importJWK, type JSONWebKeySet, type JWK } from 'jose';
import { recordEventWith } from '../../../audit/events.ts';
import { type Call, type Command, DONE, REFUSED, UsageError } from '../../../command-line/command.ts';
import { OPERATOR, withDatabase } from '../../../command-line/operator.ts';
import { confirmed, moment, quoted, table } from '../../../command-line/terminal.ts';
import { MAX_NAME_CHARACTERS } from '../../../oauth/clients/display-name.ts';
import { type Database, isStorable } from '../../../platform/database.ts';
import { isBlank, isDeceptive } from '../../../platform/visible-text.ts';
import { distrustSoftwareIssuer, findSoftwareIssuer, listSoftwareIssuers, trustSoftwareIssuer } from '../software-issuers.ts';

/** Owns whom an operator believes about software (RFC 7591 section 2.3). What becomes of a statement is the server's: software-statements.ts. */

const MAX_KEYS = 10;
const MIN_RSA_BITS = 2_048;
const ALGORITHMS: Record<string, string[]> = { RSA: ['RS256', 'PS256'], EC: ['ES256'], OKP: ['EdDSA'] };
// Of every kind of key there is (RFC 7518 section 6): what only who signs may have.
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

export const ISSUER_COMMANDS: Command[] = [
  {
    noun: 'software-issuers',
    verb: 'list',
    summary: 'Show the issuers of software statements that the server trusts',
    run: () => withDatabase(listIssuers),
  },
  {
    noun: 'software-issuers',
    verb: 'add',
    summary: 'Trust the software statements of an issuer (RFC 7591 section 2.3), or replace its keys',
    operands: ['ISSUER'],
    flags: {
      name: { type: 'string', value: 'NAME', help: 'Who the issuer is, in your words.', required: true },
      jwks: {
        type: 'string',
        value: 'FILE',
        help: "The issuer's public keys, as a JSON Web Key Set; - for stdin. No other server is asked for them.",
        required: true,
      },
    },
    asks: true,
    notes:
      '  What a statement says counts over what a registration says. It verifies no publisher. The command asks only where the issuer is trusted already.',
    run: addIssuer,
  },
  {
    noun: 'software-issuers',
    verb: 'remove',
    summary: 'Trust an issuer no longer; the clients that came with its statements stay',
    operands: ['ISSUER'],
    asks: true,
    run: removeIssuer,
  },
];

async function addIssuer({ operands: [issuer = ''], flags, yes }: Call): Promise<number> {
  const [name, file] = [String(flags['name']).trim(), String(flags['jwks'])];
  assertName(name);
  if (!/^[\x21-\x7e]{1,200}$/.test(issuer))
    throw new UsageError('an issuer is as its statements name it (iss): printable ASCII, without spaces');
  const jwks = await readKeys(file);
  return withDatabase(async (database) => {
    const known = await findSoftwareIssuer(database, issuer);
    if (known && !(await confirmed(`${issuer} is trusted already, as ${quoted(known.name)}. Put these keys in the place of its own?`, yes)))
      return REFUSED;
    const event = { type: 'software_issuer_trusted', detail: { issuer, name, keys: jwks.keys.length } } as const;
    await database.change(recordEventWith(trustSoftwareIssuer({ issuer, name, jwks }), OPERATOR, event));
    console.log(`what ${issuer} says of software in a signed statement is believed from now on`);
    return DONE;
  });
}

async function listIssuers(database: Database): Promise<number> {
  const rows = (await listSoftwareIssuers(database)).map(({ issuer, name, jwks, created_at }) => [
    issuer,
    quoted(name),
    jwks.keys.map(({ kid, kty }) => (kid === undefined ? String(kty) : quoted(kid).slice(1, -1))).join(),
    moment(created_at),
  ]);
  console.log(table([['ISSUER', 'NAME', 'KEYS', 'SINCE'], ...rows]));
  return DONE;
}

async function removeIssuer({ operands: [issuer = ''], yes }: Call): Promise<number> {
  if (!isStorable(issuer)) throw new UsageError('an issuer is as software-issuers list shows it');
  if (!(await confirmed(`Believe ${quoted(issuer)} no longer? The clients that came with its statements stay.`, yes))) return REFUSED;
  return withDatabase(async (database) => {
    const event = { type: 'software_issuer_untrusted', detail: { issuer } } as const;
    const [known] = await database.change(recordEventWith(distrustSoftwareIssuer(issuer), OPERATOR, event));
    console.log(known ? `${issuer} is not believed any more` : `there is no issuer ${issuer}`);
    return known ? DONE : REFUSED;
  });
}

/** @throws UsageError for a name that could not be shown. */
function assertName(name: string): void {
  if (isBlank(name) || [...name].length > MAX_NAME_CHARACTERS || !isStorable(name) || isDeceptive(name))
    throw new UsageError(`--name takes ${MAX_NAME_CHARACTERS} characters or fewer, without control, bidirectional or invisible ones`);
}

/** @returns what identifies and verifies, and nothing else of what is in the file. @throws Error that says which key is wrong, and why. */
async function readKeys(file: string): Promise<JSONWebKeySet> {
  const keys = listed(file);
  if (!keys.length || keys.length > MAX_KEYS) throw new Error(`--jwks: ${file} must have 1 to ${MAX_KEYS} keys, as {"keys": [...]}`);
  const kids = keys.map(({ kid }) => kid);
  if (keys.length > 1 && (kids.some((kid) => typeof kid !== 'string' || !kid) || new Set(kids).size < kids.length))
    throw new Error('--jwks: where there are several keys, each needs a kid of its own');
  for (const [n, key] of keys.entries()) await assertKey(key, `--jwks: key ${n + 1}`);
  return {
    keys: keys.map(({ kty, kid, alg, crv, x, y, n, e }) => JSON.parse(JSON.stringify({ kty, kid, alg, crv, x, y, n, e, use: 'sig' }))),
  };
}

function listed(file: string): JWK[] {
  try {
    const set = JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8'));
    return Array.isArray(set.keys) ? set.keys.filter((key: unknown) => typeof key === 'object' && key !== null) : [];
  } catch {
    throw new Error(`--jwks: ${file} cannot be read, or is not JSON`);
  }
}

async function assertKey(key: JWK, which: string): Promise<void> {
  if (PRIVATE.some((member) => Object.hasOwn(key, member)))
    throw new Error(`${which} is not public: the issuer keeps that, and you need its public half`);
  const possible = ALGORITHMS[String(key.kty)] ?? [];
  const algorithm = key.alg === undefined ? possible[0] : possible.find((name) => name === (key.alg === 'Ed25519' ? 'EdDSA' : key.alg));
  if (!isStorable(key) || algorithm === undefined || (key.use !== undefined && key.use !== 'sig'))
    throw new Error(`${which} must be one that verifies RS256, PS256, ES256 or EdDSA`);
  const read = await importJWK(key, algorithm).catch(() => {
    throw new Error(`${which} is no key for ${algorithm} that can be read`);
  });
  const bits = read instanceof CryptoKey ? (read.algorithm as { modulusLength?: number }).modulusLength : undefined;
  if (bits !== undefined && bits < MIN_RSA_BITS) throw new Error(`${which} must have ${MIN_RSA_BITS} bits or more`);
}
