import ipaddr from 'ipaddr.js';
import type { Context, Next } from 'koa';
import { languageOf } from '../../http/language.ts';
import { render } from '../../http/render.ts';
import type { StartingApp } from '../../oauth/app.ts';
import { isLoopback } from '../../platform/config-values.ts';
import { type Database, Prisma } from '../../platform/database.ts';
import { type Letter, openLetter, type WaitingMail } from '../../platform/mail.ts';
import type { KeyRing } from '../../platform/secrets.ts';

/**
 * Owns `/dev/mail`, where a developer reads the mail that the server would send. Its reader can sign in as any user. So it exists in
 * development only, and answers only this machine. A proxy may run on this machine too, so forwarded requests get no answer.
 */

const PAGE = /^\/dev\/mail(?:\/(?<id>[0-9a-f-]{36})(?<html>\/html)?)?$/;

// A mail is shown as mail programs do: with its own style, and without scripts, external content or forms.
const LETTER_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";

export function mailbox({ config, database, keyRing }: Pick<StartingApp, 'config' | 'database' | 'keyRing'>) {
  return async (ctx: Context, next: Next) => {
    const address = PAGE.exec(ctx.path)?.groups;
    if (!address || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) return next();
    if (!isLoopback(config.issuer) || !isOfThisMachine(ctx)) return next();
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

function isOfThisMachine(ctx: Context): boolean {
  const peer = ctx.req.socket.remoteAddress ?? '';
  return !ctx.state.forwarded && ipaddr.isValid(peer) && ipaddr.process(peer).range() === 'loopback';
}

/** @returns empty for a mail that was encrypted with other keys. */
function readable(keyRing: KeyRing, mail: KeptMail): (KeptMail & { letter: Letter })[] {
  try {
    return [{ ...mail, letter: openLetter(keyRing, mail) }];
  } catch {
    return [];
  }
}

type KeptMail = WaitingMail & { createdAt: Date; sentAt: Date | null };

/** @returns the newest readable mails. @param id returns only this one. */
function listMail(database: Database, id?: string): Promise<KeptMail[]> {
  return database.query<KeptMail>(Prisma.sql`
    select id, recipient, sealed, attempts, created_at as "createdAt", sent_at as "sentAt" from mail
    where sealed <> '' and (${id ?? null}::text is null or id = ${id ?? null})
    order by created_at desc limit 100`);
}
