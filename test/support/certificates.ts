// What @peculiar/x509 stands on; first, since that reads it as it loads.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { BasicConstraintsExtension, cryptoProvider, SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';

/**
 * A certificate authority for one test.
 *
 *     const authority = await createAuthority('Test CA');
 *     const { cert, key } = await authority.issue('localhost', [{ type: 'dns', value: 'localhost' }]);
 */
export type Authority = { cert: string; issue(name: string, alternatives?: Alternative[]): Promise<{ cert: string; key: string }> };
type Alternative = { type: 'dns' | 'ip'; value: string };

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 24 * 60 * 60 * 1_000;

export async function createAuthority(name: string): Promise<Authority> {
  cryptoProvider.set(webcrypto as never);
  const life = { notBefore: new Date(Date.now() - DAY_MS), notAfter: new Date(Date.now() + DAY_MS) };
  const keys = await keyPair();
  const root = await X509CertificateGenerator.createSelfSigned({
    ...life,
    name: `CN=${name}`,
    keys: keys as never,
    signingAlgorithm: ALGORITHM,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  });
  return {
    cert: root.toString('pem'),
    async issue(subject, alternatives = []) {
      const own = await keyPair();
      const certificate = await X509CertificateGenerator.create({
        ...life,
        subject: `CN=${subject}`,
        issuer: root.subject,
        publicKey: own.publicKey as never,
        signingKey: keys.privateKey as never,
        signingAlgorithm: ALGORITHM,
        extensions: alternatives.length ? [new SubjectAlternativeNameExtension(alternatives)] : [],
      });
      return { cert: certificate.toString('pem'), key: await pem(own.privateKey) };
    },
  };
}

const keyPair = () => webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>;

async function pem(key: webcrypto.CryptoKey): Promise<string> {
  const lines = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key))
    .toString('base64')
    .match(/.{1,64}/g);
  return `-----BEGIN PRIVATE KEY-----\n${lines?.join('\n')}\n-----END PRIVATE KEY-----\n`;
}
