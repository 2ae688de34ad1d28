import type { TestServer } from './environment.ts';
import { authorizePath, pkce } from './flow.ts';

/** Which of these scopes the node knows: asked for alone, an unknown one is refused as unknown. The metadata lists only what strangers may ask for. */
export async function knownScopes(server: TestServer, scopes: string[]): Promise<string[]> {
  const client = await server.createClient();
  const { code_verifier: _, ...challenge } = pkce();
  const known: string[] = [];
  for (const scope of scopes) {
    const path = authorizePath(client, { ...challenge, scope, prompt: 'none' });
    const response = await server.send(`${server.issuer}${path}`, { redirect: 'manual' });
    await response.body?.cancel();
    const heard = new URL(String(response.headers.get('location'))).searchParams;
    if (!/none of the requested scopes is known/.test(String(heard.get('error_description')))) known.push(scope);
  }
  return known;
}
