import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

const ROOT = join(import.meta.dirname, '../..');
type Browser = { browser: { tasks: { commands?: (string | number)[][] }[] }[] };
type Plan = Browser & { server: Record<string, string>; override: Record<string, Browser> };

const ISSUER = 'https://issuer.test';

/** The conformance suite does not run in these tests. Its browser's targets must exist on our pages, so that it can run again. */
describe('scripts/conformance-plan.ts', () => {
  const folder = mkdtempSync(join(tmpdir(), 'munjigi-plan-'));
  after(() => rmSync(folder, { recursive: true }));
  const demo = join(folder, 'demo.json');
  writeFileSync(demo, JSON.stringify({ email: 'demo@example.test', password: 'never typed' }));
  const printed = execFileSync(
    process.execPath,
    [join(ROOT, 'scripts/conformance-plan.ts'), 'oidcc', '--issuer', `${ISSUER}/`, '--demo', demo],
    { encoding: 'utf8' },
  );
  const plan = JSON.parse(printed) as Plan;
  const commands = [plan, ...Object.values(plan.override)].flatMap(({ browser }) =>
    browser.flatMap(({ tasks }) => tasks.flatMap((task) => task.commands ?? [])),
  );

  it('prints a configuration for the issuer and the demo account', () => {
    assert.equal(plan.server['discoveryUrl'], `${ISSUER}/.well-known/openid-configuration`);
    assert.equal(plan.server['login_hint'], 'demo@example.test');
  });

  it('waits for sentences that our pages show in English', () => {
    const sentences = Object.values(JSON.parse(readFileSync(join(ROOT, 'views/messages/en.json'), 'utf8'))).map(String);
    const awaited = new Set(commands.filter(([, by]) => by === 'xpath').flatMap((command) => String(command[4]).split('|')));
    assert(awaited.size >= 5);
    for (const text of awaited) {
      assert(
        sentences.some((sentence) => sentence.includes(text)),
        `no page shows "${text}"`,
      );
    }
  });

  it('presses buttons and fills in fields that our pages have', () => {
    const views = readdirSync(join(ROOT, 'views'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.eta'))
      .map((file) => readFileSync(join(ROOT, 'views', file), 'utf8'))
      .join('\n');
    const names = new Set(
      commands
        .filter(([, by]) => by === 'css')
        .flatMap((command) => [...String(command[2]).matchAll(/\[(?:name|value)=(\w+)\]/g)].map(([, name]) => name)),
    );
    assert(names.size >= 5);
    for (const name of names) assert.match(views, new RegExp(`["']${name}["']`), `no page has ${name}`);
  });
});
