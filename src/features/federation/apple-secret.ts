import { importPKCS8, SignJWT } from 'jose';
import type { ClientAuth } from 'openid-client';
import { z } from 'zod';

/**
 * Owns how Apple wants to be told who we are: by a client secret that is a JWT of ours, signed with a key that it gave its team. It may be
 * valid for half a year; here one is made for each request, and nobody has to remember to make another.
 */

const AUDIENCE = 'https://appleid.apple.com';
const VALID_SECONDS = 300;

export const appleKeySchema = z.object({
  teamId: z.string().min(1),
  keyId: z.string().min(1),
  /** PKCS #8 in PEM, as the .p8 file that Apple gives. */
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
  // It is awaited, as that of PrivateKeyJwt() is.
  return authenticate as ClientAuth;
}
