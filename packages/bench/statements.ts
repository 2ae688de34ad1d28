import { createWire } from '../../test/support/wire.ts';
import { createLoad } from './load.ts';
import { operationNamed } from './operations.ts';
import { type BenchServer, startBenchServer } from './servers.ts';
import { Supplies } from './supplies.ts';

/**
 * Owns the count of statements for each request. It is a pass of its own, with a server that reaches the database through a counting
 * proxy, so that the measured servers have no proxy between.
 */

const REQUESTS = 200;
const CONNECTIONS = 4;

/** @returns statements a request, by operation. Each Query and each Execute counts, so `begin` and `commit` do too. */
export async function countStatements(
  kind: string,
  operations: string[],
  { databaseUrl, dataDir, account }: { databaseUrl: string; dataDir: string; account: string },
): Promise<Record<string, number>> {
  const wire = await createWire(databaseUrl);
  let server: BenchServer | undefined;
  try {
    server = await startBenchServer(kind, wire.url, { dataDir });
    const { lacks, address } = server;
    const load = createLoad(address, CONNECTIONS);
    const supplies = new Supplies(server, load, account);
    const counts: Record<string, number> = {};
    for (const name of operations.filter((one) => !lacks.includes(one))) {
      // The first ones find no connection and no client in memory.
      await load.run(await eachOf(supplies, name), { seconds: 60 });
      const requests = await eachOf(supplies, name);
      const before = wire.statements();
      const { bodies } = await load.run(requests, { seconds: 60, keepBodies: true });
      counts[name] = (wire.statements() - before) / bodies.length;
      if (operationNamed(name).brings) supplies.put(bodies);
    }
    return counts;
  } finally {
    await server?.stop();
    wire.close();
  }
}

async function eachOf(supplies: Supplies, name: string): Promise<Buffer[]> {
  const requests = await supplies.requests(name, REQUESTS);
  return Array.isArray(requests) ? requests : Array.from({ length: REQUESTS }, () => requests);
}
