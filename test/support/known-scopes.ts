import type { TestServer } from './environment.ts';
import { askToRegister, METADATA } from './registration.ts';

/** Which of these scopes the node knows: a client can register with them. The server's metadata lists only what strangers may ask for. */
export async function knownScopes(server: TestServer, scopes: string[]): Promise<string[]> {
  const known: string[] = [];
  for (const scope of scopes) {
    const response = await askToRegister(server, { ...METADATA, scope });
    const { scope: registered = '' } = (await response.json()) as { scope?: string };
    if (response.status === 201 && registered.split(' ').includes(scope)) known.push(scope);
  }
  return known;
}
