import type { TestServer } from './environment.ts';
import { eventually } from './eventually.ts';

/** Deletes a client, as the database does it for whoever asks, and waits until the node has heard of it. */
export async function deleteClient(server: TestServer, clientId: string): Promise<void> {
  await server.sql('delete from client where id = $1', [clientId]);
  await eventually('the node knows that the client is gone', async () => {
    const response = await fetch(`${server.issuer}/oauth/authorize?client_id=${clientId}`, { headers: { accept: 'application/json' } });
    return ((await response.json()) as { error: string }).error === 'invalid_client';
  });
}
