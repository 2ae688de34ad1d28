import type { Context, Next } from 'koa';
import { languageOf } from '../http/language.ts';
import { render } from '../http/render.ts';
import type { Database } from '../platform/database.ts';
import { type KeptMail, type Letter, listMail, openLetter } from '../platform/mail.ts';
import { KeyRing } from '../platform/secrets.ts';

/**
 * Owns `/dev/mail`, where a developer reads what the server would send. It is mounted in development alone: who can read it can sign in as
 * anybody.
 */

const PAGE = /^\/dev\/mail(?:\/(?<id>[0-9a-f-]{36})(?<html>\/html)?)?$/;

// A letter is shown as a mail program shows it: its own style, and nothing that it could run, load or reach.
const LETTER_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";

export function mailbox(database: Database, dataEncryptionKeys: Uint8Array[]) {
  const keyRing = new KeyRing(dataEncryptionKeys);
  return async (ctx: Context, next: Next) => {
    const address = PAGE.exec(ctx.path)?.groups;
    if (!address || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) return next();
    const { id, html } = address;
    const mails = (await listMail(database, id)).flatMap((mail) => readable(keyRing, mail));
    const time = (date: Date) => new Intl.DateTimeFormat(languageOf(ctx), { dateStyle: 'medium', timeStyle: 'medium' }).format(date);
    if (!id) return render(ctx, 'dev/mailbox', { mails, time });
    const [mail] = mails;
    if (!mail) return next();
    if (!html) return render(ctx, 'dev/letter', { mail, time });
    ctx.set('Content-Security-Policy', LETTER_POLICY);
    ctx.set('Cache-Control', 'no-store');
    ctx.type = 'html';
    ctx.body = mail.letter.html;
  };
}

/** @returns nothing for what was sealed with keys of an earlier day. */
function readable(keyRing: KeyRing, mail: KeptMail): (KeptMail & { letter: Letter })[] {
  try {
    return [{ ...mail, letter: openLetter(keyRing, mail) }];
  } catch {
    return [];
  }
}
