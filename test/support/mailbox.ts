import { type Letter, openLetter } from '../../src/platform/mail.ts';
import { KeyRing } from '../../src/platform/secrets.ts';
import type { TestServer } from './environment.ts';

/** What was written to an address, oldest first, as whoever reads its mail sees it. */
export async function lettersTo(server: TestServer, recipient: string): Promise<Letter[]> {
  const keyRing = new KeyRing(server.config.dataEncryptionKeys);
  const rows = await server.sql('select id, sealed from mail where recipient = $1 order by created_at, id', [recipient]);
  return rows.map(({ id, sealed }) => openLetter(keyRing, { id: String(id), sealed: String(sealed) }));
}

/** The code that stands on a line of its own, and the first link. */
export function proofIn({ text }: Letter): { code: string | undefined; link: string | undefined } {
  return { code: /^ {4}(\S+)$/m.exec(text)?.[1], link: /https?:\/\/\S+/.exec(text)?.[0] };
}
