import { randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { TestSite } from './environment.ts';

/** A key of a client, and how to make proofs with it (RFC 9449 section 4.2). */
export type ProofKey = { thumbprint: string; proof(server: TestSite, path?: string, aheadSeconds?: number): Promise<{ dpop: string }> };

export async function createProofKey(): Promise<ProofKey> {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const jwk = await exportJWK(publicKey);
  return {
    thumbprint: await calculateJwkThumbprint(jwk),
    async proof(server, path = '/oauth/token', aheadSeconds = 0) {
      const dpop = await new SignJWT({ htm: 'POST', htu: server.issuer + path, jti: randomUUID() })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
        .setIssuedAt(Math.floor(Date.now() / 1_000) + aheadSeconds)
        .sign(privateKey);
      return { dpop };
    },
  };
}
