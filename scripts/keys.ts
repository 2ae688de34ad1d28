import { parseArgs } from 'node:util';
import { replaceKeys, rotateKeys, useKeys } from '../src/features/admin/acts/keys.ts';
import { SEALED_COLUMNS } from '../src/features.ts';
import { scheduleOf } from '../src/oauth/keys/key-schedule.ts';
import { readSigningKeys } from '../src/oauth/keys/signing-keys.ts';
import { readConfig } from '../src/platform/config.ts';
import type { Database } from '../src/platform/database.ts';
import { readKeyUse } from '../src/platform/key-use.ts';
import { reseal } from '../src/platform/reseal.ts';
import { KeyRing } from '../src/platform/secrets.ts';
import { confirmed, keyRingInUse, moment, performAsOperator, resultOf, runCommand, table, UsageError, withDatabase } from './command.ts';

const HELP = `Usage: node scripts/keys.ts list
       node scripts/keys.ts rotate [--now] [--yes]
       node scripts/keys.ts use
       node scripts/keys.ts reseal

  list           shows the signing keys: which signs, which is next, which is retired and how long it stays published
  rotate         makes the next key of each algorithm. It is published at once and signs an hour later, when whoever keeps a copy of
                 the published keys has it; the present key retires then, and stays published until what it signed has expired
  rotate --now   for keys that leaked: new keys sign at once, all others are deleted. Tokens that those signed are refused, but whoever
                 keeps a copy of the published keys goes by it until it asks again
  use            for a new first key in COOKIE_KEYS or DATA_ENCRYPTION_KEYS, once every node was started with it: nodes write with it from now
                 on. Without this they do so KEY_DELAY_MINUTES after the first of them was started with it
  reseal         for another first key in DATA_ENCRYPTION_KEYS that is in use: seals anew what an older one sealed and nobody
                 makes anew, which are the secrets of authenticator apps, the credentials at upstream providers and what those gave for people

  --yes          does not ask first (rotate --now asks)
  --help         shows this

Every node follows within a second, without a restart.
`;

const VARIABLES: Record<string, string> = { cookie: 'COOKIE_KEYS', data: 'DATA_ENCRYPTION_KEYS' };

await runCommand('keys', HELP, async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: 'boolean' }, now: { type: 'boolean' }, yes: { type: 'boolean' } },
  });
  const [command, ...more] = positionals;
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (more.length) throw new UsageError(`there is nothing to do with ${more.join(' ')}`);
  if (command === 'list' && !values.now) return withDatabase(list);
  if (command === 'use' && !values.now) return withDatabase(use);
  if (command === 'reseal' && !values.now) return withDatabase(resealAll);
  if (command !== 'rotate') throw new UsageError('say what to do: list, rotate, use or reseal');
  return values.now ? replace(values.yes) : rotate();
});

async function list(database: Database): Promise<number> {
  const { keys, readAt, keptSeconds } = await readSigningKeys(database);
  const { phases } = scheduleOf(keys, readAt, keptSeconds);
  const publishedUntil = (retiredAt: Date | null) => retiredAt && new Date(retiredAt.getTime() + keptSeconds * 1000);
  console.log(
    table([
      ['KID', 'ALGORITHM', 'STATE', 'MADE', 'SIGNS FROM', 'SIGNS UNTIL', 'PUBLISHED UNTIL'],
      ...[...phases].map(([{ kid, algorithm, createdAt, activeAt, retiredAt }, phase]) => [
        kid,
        algorithm,
        phase,
        moment(createdAt),
        moment(activeAt),
        moment(retiredAt),
        moment(publishedUntil(retiredAt)),
      ]),
    ]),
  );
  return 0;
}

async function rotate(): Promise<number> {
  const rotated = resultOf(await withDatabase((database) => performAsOperator(database, rotateKeys, {})), 'rotate');
  for (const { algorithm, kid, made, signs_from } of rotated?.keys ?? []) {
    const from = moment(new Date(signs_from));
    console.log(
      made
        ? `${algorithm}: ${kid} is published, and signs from ${from}`
        : `${algorithm}: ${kid} is on its way already, and signs from ${from}: nothing was made`,
    );
  }
  return rotated?.keys.some(({ made }) => made) ? 0 : 1;
}

async function replace(yes: boolean | undefined): Promise<number> {
  const question = 'Delete every signing key now? ID Tokens and JWT access tokens that are about will be refused.';
  if (!(await confirmed(question, yes))) return 1;
  return withDatabase(async (database) => {
    resultOf(await performAsOperator(database, replaceKeys, {}), 'rotate --now');
    console.log('new keys sign, all others are deleted:\n');
    return list(database);
  });
}

async function use(database: Database): Promise<number> {
  const { used } = resultOf(await performAsOperator(database, useKeys, {}), 'use') as { used: { kind: string; id: string }[] };
  for (const { kind, id } of used) console.log(`${VARIABLES[kind]}: nodes write with the newest key (${id})`);
  if (!used.length) console.log('no key waits: nodes write with the newest ones that any node was started with');
  return 0;
}

/** @returns 1 when something is left, so that nobody drops a key too soon. */
async function resealAll(database: Database): Promise<number> {
  const config = readConfig();
  const keyRing = keyRingInUse(config, await readKeyUse(database));
  if (keyRing.newest !== new KeyRing(config.dataEncryptionKeys).newest)
    throw new Error('the first key in DATA_ENCRYPTION_KEYS is not in use yet: run keys.ts use once every node was started with it');
  let left = 0;
  for (const column of SEALED_COLUMNS) {
    const { resealed, busy, unreadable } = await reseal(database, keyRing, column);
    left += busy + unreadable;
    const told = [
      `${resealed} sealed anew`,
      ...(busy ? [`${busy} in use: run it again`] : []),
      ...(unreadable ? [`${unreadable} that no key in DATA_ENCRYPTION_KEYS opens`] : []),
    ];
    console.log(`${column.table}.${column.column}: ${told.join(', ')}`);
  }
  return left ? 1 : 0;
}
