import { LANGUAGES } from '../../src/http/language.ts';
import { translate } from '../../src/http/render.ts';
import { type Letter, openLetter } from '../../src/platform/mail.ts';
import { KeyRing } from '../../src/platform/secrets.ts';
import type { TestServer } from './environment.ts';

const NEW_DEVICE = LANGUAGES.map((language) => translate(language, 'mail.new_device.subject'));

/** What was written to an address, oldest first, as whoever reads its mail sees it. Letters about a new device stand in the way of most tests. */
export async function lettersTo(server: TestServer, recipient: string): Promise<Letter[]> {
  return (await allLettersTo(server, recipient)).filter(({ subject }) => !NEW_DEVICE.includes(subject));
}

/** The same with letters about a new device. */
export async function allLettersTo(server: TestServer, recipient: string): Promise<Letter[]> {
  const keyRing = new KeyRing(server.config.dataEncryptionKeys);
  const rows = await server.sql('select id, sealed from mail where recipient = $1 order by created_at, id', [recipient]);
  return rows.map(({ id, sealed }) => openLetter(keyRing, { id: String(id), sealed: String(sealed) }));
}

/** The code that stands on a line of its own, and the first link. */
export function proofIn({ text }: Letter): { code: string | undefined; link: string | undefined } {
  return { code: /^ {4}(\S+)$/m.exec(text)?.[1], link: /https?:\/\/\S+/.exec(text)?.[0] };
}
