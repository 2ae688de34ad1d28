import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { ensureDependencies, ensurePrismaClient } from '../../scripts/bootstrap/dependencies.mjs';
import { freePort } from '../../scripts/bootstrap/free-port.mjs';
import { ensureNode, ROOT } from '../../scripts/bootstrap/node.mjs';
import { startPostgres } from '../../scripts/bootstrap/postgres.mjs';
import { fail, Stop, step } from '../../scripts/bootstrap/say.mjs';
import { haruPerson, introduce, notesClient } from './introduce.mjs';
import { panel } from './panel.mjs';
import { Household } from './processes.mjs';

/**
 * `npm run example`: Munjigi, two services that an app depends on, and the app, on this machine, from a fresh clone. Like `npm start` it
 * needs Node 20 and nothing else. All that it makes is below DATA_DIR, and it stops all that it started.
 */

const HELP = `Usage: npm run example

  Starts Munjigi, a second instance of it as the upstream Haru, the service Notes (plain OAuth 2.0), and the app Madang, which
  reaches both with the session of its person. Ctrl-C stops all of it; accounts and links stay for the next time.

  PORT=3000  HARU_PORT=3100  NOTES_PORT=3200  APP_PORT=3300 (0: a free one)   DATA_DIR=.data/example
`;

const PARENT = process.ppid;

if (process.argv.includes('--help')) {
  process.stdout.write(HELP);
  process.exit(0);
}

let stop;
const stopped = new Promise((done) => {
  stop = done;
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop());
// npm, when it is told to end, ends the shell between us and says nothing: being orphaned is the only word of it.
setInterval(() => process.ppid !== PARENT && stop(), 500).unref();

try {
  await main(resolve(ROOT, process.env.DATA_DIR || '.data/example'));
} catch (error) {
  fail(error);
}

async function main(dataDir) {
  const places = await placesOf(process.env);
  mkdirSync(dataDir, { recursive: true });
  const [node] = await Promise.all([ensureNode(), ensureDependencies('runtime')]);
  await ensurePrismaClient(node);
  const postgres = await startPostgres(dataDir);
  const household = new Household({ node, dataDir });
  try {
    await Promise.race([open({ household, dataDir, places, databaseUrl: postgres.url }), stopped]);
    await stopped;
  } finally {
    await household.end();
    await postgres.stop();
  }
}

/**
 * The two instances have different hosts, because cookies know no ports: on one host each would sign its people out of the other.
 * @returns {Promise<Record<'munjigi' | 'haru' | 'notes' | 'app', { port: string, url: string }>>}
 */
async function placesOf({ PORT = '3000', HARU_PORT = '3100', NOTES_PORT = '3200', APP_PORT = '3300' }) {
  const wanted = {
    munjigi: ['localhost', PORT],
    haru: ['127.0.0.1', HARU_PORT],
    notes: ['127.0.0.1', NOTES_PORT],
    app: ['localhost', APP_PORT],
  };
  const places = {};
  for (const [name, [host, asked]] of Object.entries(wanted)) {
    const port = Number(asked) === 0 ? await freePort() : Number(asked);
    if (!(await isFree(port)))
      throw new Stop(`Port ${port}, for ${name}, is none that is free: stop what listens there, or choose another\n\n${HELP}`);
    places[name] = { port: String(port), url: `http://${host}:${port}` };
  }
  return places;
}

function isFree(port) {
  return new Promise((done) => {
    const probe = createServer().on('error', () => done(false));
    try {
      probe.listen(port, '127.0.0.1', () => probe.close(() => done(true)));
    } catch {
      done(false);
    }
  });
}

/** Starts the four, each once what it needs is there. */
async function open({ household, dataDir, places, databaseUrl }) {
  const { munjigi, haru, notes, app } = places;
  const file = join(dataDir, 'example.json');
  const before = readKnown(file);
  // Addresses are in databases and registrations: at others it begins anew.
  const kept = before && JSON.stringify(before.places) === JSON.stringify(places);
  const known = kept ? before : { places, haruPerson: haruPerson(), notesClient: notesClient() };
  const instance = (name, { port, url }) => ({
    PORT: port,
    ISSUER: url,
    DATABASE_URL: Object.assign(new URL(databaseUrl), { pathname: `/${name}` }).href,
    DATA_DIR: join(dataDir, name),
  });
  const environments = { munjigi: instance('munjigi', munjigi), haru: instance('haru', haru) };

  await step(kept ? 'looking after two databases' : 'making two databases', () =>
    household.run('examples/dependent-services/set-up.ts', ['databases', ...(kept ? [] : ['--anew'])], { DATABASE_URL: databaseUrl }),
  );
  const ready = async (name, { url }) => {
    await household.run('scripts/migrate.ts', [], environments[name]);
    if (name === 'munjigi') await household.run('scripts/seed.ts', [], environments[name]);
    await household.start(name, 'src/main.ts', environments[name], `${url}/readyz`);
  };
  await step('starting Munjigi', () => ready('munjigi', munjigi));
  await step('starting Haru, a second instance', () => ready('haru', haru));
  await step('starting Notes', () =>
    household.start('notes', 'examples/dependent-services/notes-server.mjs', notesEnvironment(known, places), notes.url),
  );
  if (!known.appClient) {
    known.appClient = await introduce({ household, environments, known, dataDir });
    writeFileSync(file, `${JSON.stringify(known, null, 2)}\n`, { mode: 0o600 });
  }
  await step('starting Madang, the app', () =>
    household.start('app', 'examples/dependent-services/app.mjs', appEnvironment(known, places), app.url),
  );
  const demo = JSON.parse(readFileSync(join(dataDir, 'munjigi/demo.json'), 'utf8'));
  console.log(panel({ places, haruPerson: known.haruPerson, demo, dataDir }));
}

function readKnown(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

function notesEnvironment({ notesClient: { id, secret } }, { notes, munjigi }) {
  return {
    NOTES_PORT: notes.port,
    NOTES_URL: notes.url,
    NOTES_CLIENT_ID: id,
    NOTES_CLIENT_SECRET: secret,
    NOTES_REDIRECT_URI: `${munjigi.url}/upstream/notes/callback`,
  };
}

function appEnvironment({ appClient: { id, secret } }, { app, munjigi, haru, notes }) {
  return {
    APP_PORT: app.port,
    APP_URL: app.url,
    ISSUER: munjigi.url,
    APP_CLIENT_ID: id,
    APP_CLIENT_SECRET: secret,
    HARU_URL: haru.url,
    NOTES_URL: notes.url,
  };
}
