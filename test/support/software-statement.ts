import { exportJWK, generateKeyPair, type JWTHeaderParameters, type JWTPayload, SignJWT } from 'jose';
import { trustSoftwareIssuer } from '../../src/features/registration/software-issuers.ts';
import type { TestServer } from './environment.ts';

export const ISSUER = 'https://catalogue.example';

/** Somebody who signs software statements, and whether an operator trusts them is the operator's. */
export async function softwareIssuer({ issuer = ISSUER, alg = 'ES256', kid = 'one' as string | undefined } = {}) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), ...(kid ? { kid } : undefined) };
  return {
    issuer,
    jwk,
    privateKey,
    sign: (claims: JWTPayload, header: Partial<JWTHeaderParameters> = {}) =>
      new SignJWT({ iss: issuer, ...claims }).setProtectedHeader({ alg, ...(kid ? { kid } : undefined), ...header }).sign(privateKey),
    trustedBy: (server: TestServer) => server.database.change(trustSoftwareIssuer({ issuer, name: 'Catalogue', jwks: { keys: [jwk] } })),
  };
}
