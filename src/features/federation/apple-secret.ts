import { importPKCS8, SignJWT } from 'jose';
import type { ClientAuth } from 'openid-client';
import { z } from 'zod';

/**
 * Owns client authentication at Apple: the client secret is a JWT that we sign with a key Apple gave the team. Apple accepts one for up to
 * six months. We make one for each request, so that no operator has to renew it.
 */

const AUDIENCE = 'https://appleid.apple.com';
const VALID_SECONDS = 300;

export const appleKeySchema = z.object({
  teamId: z.string().min(1),
  keyId: z.string().min(1),
  /** PKCS #8 in PEM: the content of Apple's .p8 file. */
  privateKey: z.string().startsWith('-----BEGIN PRIVATE KEY-----', 'must be a .p8 file as Apple gives it'),
});

/** @param credentials JSON of appleKeySchema. @throws Error when the key cannot be read. */
export function appleSecret(credentials: string): ClientAuth {
  const { teamId, keyId, privateKey } = appleKeySchema.parse(JSON.parse(credentials));
  const authenticate = async (_server: unknown, { client_id }: { client_id: string }, body: URLSearchParams): Promise<void> => {
    const now = Math.floor(Date.now() / 1000);
    const secret = await new SignJWT({})
      .setProtectedHeader({ alg: 'ES256', kid: keyId })
      .setIssuer(teamId)
      .setSubject(client_id)
      .setAudience(AUDIENCE)
      .setIssuedAt(now)
      .setExpirationTime(now + VALID_SECONDS)
      .sign(await importPKCS8(privateKey, 'ES256'));
    body.set('client_id', client_id);
    body.set('client_secret', secret);
  };
  // The library awaits it, as it does for PrivateKeyJwt().
  return authenticate as ClientAuth;
}
