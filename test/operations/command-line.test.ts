import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { allCommands } from '../../scripts/munjigi.ts';
import { commandHelp, nounHelp, programHelp } from '../../src/command-line/help.ts';
import { commandsOf } from '../../src/command-line/routes.ts';
import { FEATURES } from '../../src/features.ts';
import { runCommand, runScript } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { unchanged } from '../support/storage.ts';

/** The words that STYLE keeps out of every sentence: each hid a plain one. */
const OUT = /\b(whoever|whatever|whose it is|who does so|anew|at present|lately|nobody's|be so|is told|is kept|is gone|in the place of)\b/i;
const MOST_WORDS = 25;

/** Sentences of a help. The lines of a table have columns, and no sentences. */
const sentencesOf = (text: string): string[] =>
  text
    .replace(/^.*\S {2,}\S.*$/gm, '')
    .split(/[.;:?](?:\s|$)|\n\s*\n/)
    .map((sentence) => sentence.trim());

describe('munjigi', async () => {
  const commands = await allCommands();
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const run = (...args: string[]) => runCommand(server, ...args);
  const routes = FEATURES.flatMap(({ administration }) => administration?.routes ?? []);
  const routed = new Set(commandsOf(routes).map(({ noun, verb }) => `${noun} ${verb}`));

  it('has each command once, and one for each route of the admin API', () => {
    const names = commands.map(({ noun, verb }) => `${noun} ${verb}`);
    assert.deepEqual(names, [...new Set(names)]);
    assert(routes.length > 30 && names.length > routes.length);
    for (const name of ['people disable', 'people show', 'clients delete', 'keys rotate', 'clients allow-services', 'sessions end'])
      assert(names.includes(name), name);
  });

  it('has a help for every noun and verb, in short sentences of plain words', () => {
    for (const noun of new Set(commands.map((command) => command.noun))) {
      const help = nounHelp(
        noun,
        commands.filter((command) => command.noun === noun),
      );
      assert.match(help, new RegExp(`^Usage: munjigi ${noun} VERB`));
      assert(programHelp(commands).includes(noun));
    }
    for (const command of commands) {
      const name = `${command.noun} ${command.verb}`;
      assert.match(commandHelp(command), new RegExp(`^Usage: munjigi ${name}\\b`));
      const flags = Object.entries(command.flags ?? {});
      for (const [flag, { help }] of flags) assert.match(help, /^\S.*\.$/s, `${name} --${flag}`);
      // The sentences of a route belong to its act, and the API's document has them too.
      if (routed.has(name)) continue;
      for (const text of [command.summary, command.notes ?? '', ...flags.map(([, { help }]) => help)]) {
        assert.doesNotMatch(text, OUT, name);
        for (const sentence of sentencesOf(text))
          assert(sentence.split(/\s+/).filter((word) => /\w/.test(word)).length <= MOST_WORDS, `${name}: ${sentence}`);
      }
    }
  });

  it('shows the help of each level, and exits with 2 where the command line makes no sense', () => {
    for (const args of [['--help'], ['people', '--help'], ['people', 'disable', '--help']]) {
      const { status, stdout, stderr } = run(...args);
      assert.deepEqual([status, stderr], [0, ''], args.join(' '));
      assert.match(stdout, /^Usage: munjigi /);
    }
    for (const args of [
      [],
      ['peple'],
      ['people', 'dissable'],
      ['people', 'list', '--bogus'],
      ['people', 'disable'],
      ['people', 'list', '--limit', '0'],
    ]) {
      const { status, stdout, stderr } = run(...args);
      assert.deepEqual([status, stdout], [2, ''], args.join(' '));
      assert.match(stderr, /Usage: munjigi/);
    }
  });

  it('prints JSON that parses: of a list, of one, and of an act', async () => {
    const person = await server.createPerson();
    const rows = JSON.parse(run('people', 'list', '--search', person.email, '--json').stdout);
    assert.deepEqual(
      rows.map(({ id, email }: { id: string; email: string }) => [id, email]),
      [[person.id, person.email]],
    );
    assert.equal(JSON.parse(run('people', 'show', person.email, '--json').stdout).id, person.id);
    assert.deepEqual(JSON.parse(run('people', 'disable', person.id, '--yes', '--json').stdout), { id: person.id });
    const [row] = JSON.parse(run('people', 'list', '--disabled', 'true', '--json').stdout);
    assert.equal(row.id, person.id);
  });

  it('changes nothing where an act that ends something was not confirmed and there is no terminal', async () => {
    const [person, client] = [await server.createPerson(), await server.createClient()];
    await unchanged(server, async () => {
      for (const args of [
        ['people', 'disable', person.id],
        ['clients', 'delete', client.client_id],
        ['keys', 'replace'],
      ]) {
        const { status, stdout, stderr } = run(...args);
        assert.deepEqual([status, stdout], [1, ''], args.join(' '));
        assert.match(stderr, /--yes/);
      }
    });
  });

  it('asks before every act that takes something away: no verb of that kind is without --yes', () => {
    const taking = /^(end|delete|remove|disable|suspend|replace|revoke|unverify|change|after)/;
    for (const { noun, verb, asks } of commands) if (taking.test(verb)) assert(asks, `${noun} ${verb}`);
  });

  it('goes on from page to page, and says where it stopped', async () => {
    for (let n = 0; n < 3; n++) await server.createPerson();
    const { status, stdout, stderr } = run('people', 'list', '--limit', '2', '--json');
    assert.equal(status, 0);
    assert.equal(JSON.parse(stdout).length, 2);
    assert.match(stderr, /There are more rows than 2/);
  });

  it('runs under the old script names for one release, and names the new command', async () => {
    const person = await server.createPerson();
    const { status, stdout, stderr } = runScript(server, 'account', 'set-role', person.email, 'auditor', '--yes');
    assert.equal(status, 0, stderr);
    assert.equal(stderr, 'scripts/account.ts leaves with the next release: use munjigi people change-role\n');
    assert.match(stdout, /^Done: people change-role/);
    const [row] = await server.sql('select role::text from user_account where id = $1', [person.id]);
    assert.equal(row?.['role'], 'auditor');
    const refused = runScript(server, 'tokens', 'revoke', '--client', 'nobody', '--yes');
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /use munjigi clients end-access\n.*there is no client nobody/);
  });
});
