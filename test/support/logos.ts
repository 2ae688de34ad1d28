import { keepLogosFetched } from '../../src/features/logos/fetcher.ts';
import { createLog } from '../../src/platform/log.ts';
import type { TestServer } from './environment.ts';
import { eventually } from './eventually.ts';

/** The logos of clients, as a node fetches them and as they are stored. */

/** Starts what a node of the server does beside its requests. */
export const fetchLogos = (server: TestServer, parts: { loopbackPages?: boolean; database?: TestServer['database'] } = {}) =>
  keepLogosFetched({ database: server.database, log: createLog('silent'), loopbackPages: true, everyMs: 50, ...parts });

export type StoredLogo = {
  uri: string;
  image: Buffer | null;
  path: string | null;
  problem: string | null;
  attempts: number;
  waits: number;
};

/** @returns `path` where it is served, and `waits`, the seconds until it is due again. */
export async function storedLogo(server: TestServer, client: { client_id: string }): Promise<StoredLogo | undefined> {
  const [row] = await server.sql(
    `select uri, image, '/logos/' || encode(digest, 'hex') || '.png' as path, problem, attempts, extract(epoch from due_at - now())::float8 as waits
     from client_logo where client_id = $1`,
    [client.client_id],
  );
  return row as StoredLogo | undefined;
}

/** Waits for the attempt that is due. @returns what is stored then. */
export async function attempted(server: TestServer, client: { client_id: string }): Promise<StoredLogo> {
  let stored: StoredLogo | undefined;
  await eventually(`the logo of ${client.client_id} was fetched or refused`, async () => {
    stored = await storedLogo(server, client);
    return stored !== undefined && stored.waits > 0 && (stored.attempts === 0 || stored.problem !== null);
  });
  return stored as StoredLogo;
}

/** Makes it due now. */
export async function makeDue(server: TestServer, client: { client_id: string }): Promise<void> {
  await server.sql('update client_logo set due_at = now(), problem = null where client_id = $1', [client.client_id]);
}
