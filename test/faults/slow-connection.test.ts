import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { type Database, openDatabase, Prisma } from '../../src/platform/database.ts';
import { DatabaseUnavailable } from '../../src/platform/errors.ts';
import { createLog } from '../../src/platform/log.ts';
import { createDatabase, type TestDatabase } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { createSlowLine, type SlowLine } from '../support/slow-line.ts';

// Longer than a request waits for a connection, and shorter than a connection may take.
const OPENING_MS = 1_500;

describe('A database whose connections take longer to open than a request waits', () => {
  let stock: TestDatabase;
  let line: SlowLine;
  let database: Database;

  before(async () => {
    stock = await createDatabase();
    line = await createSlowLine(stock.url);
    line.slow({ openingMs: OPENING_MS });
  });
  after(async () => {
    line.close();
    await stock.drop();
  });
  beforeEach(() => {
    database = openDatabase(line.url, createLog('silent'));
  });
  afterEach(() => database.close());

  const served = (send: () => Promise<unknown>) =>
    send().then(
      () => true,
      () => false,
    );
  const one = Prisma.sql`select 1 as one`;
  const ways: Record<string, () => Promise<unknown>> = {
    'a read': () => database.query(one),
    'a write': () => database.change(one),
    'a transaction': () => database.transaction([one]),
    'a statement of Prisma': () => database.prisma.user.count(),
  };
  for (const [name, send] of Object.entries(ways))
    it(`refuses ${name} at first, and serves it once a connection is open`, async () => {
      await assert.rejects(send(), DatabaseUnavailable);
      await eventually(`${name} is served`, () => served(send));
    });
});
