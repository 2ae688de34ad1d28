import Router from '@koa/router';
import type { Context } from 'koa';
import { recordEvent } from '../../audit/events.ts';
import type { Feature } from '../../feature.ts';
import { assertOurForm, csrfToken } from '../../http/csrf.ts';
import { readForm } from '../../http/form.ts';
import { giveAnswer } from '../../http/kept-answers.ts';
import { forgivingPasswordTries } from '../../http/password-tries.ts';
import { render } from '../../http/render.ts';
import { visitorOf } from '../../http/visitor.ts';
import { answeredBefore } from '../../oauth/answers/first-press.ts';
import type { App } from '../../oauth/app.ts';
import { endAccount } from '../../oauth/store/grants.ts';
import { writeTogether } from '../../oauth/store/unit-of-work.ts';
import { kept, letter } from '../../pages/own-pages.ts';
import { dropIdleRecoveryCodes } from '../../people/factors.ts';
import { endOutdatedLinks, NOT_ME_PATH } from '../../people/not-me.ts';
import { listOpenings, removeAdded, shownOpenings } from '../../people/openings.ts';
import { passwordProblem } from '../../people/password-policy.ts';
import { hashPassword } from '../../people/passwords.ts';
import { endProofsOf } from '../../people/proofs.ts';
import { type Account, findAccount } from '../../people/store.ts';
import { AppError } from '../../platform/errors.ts';
import { digestInHex } from '../../platform/secrets.ts';
import { isUniqueViolation } from '../../platform/sql-errors.ts';
import { findNotMeLink, giveBack, type NotMeLink, spendNotMeLink } from './not-me-links.ts';

/**
 * Owns the page behind the link "this was not me". Any browser that reads the mail may open it. Opening it changes nothing, since mail
 * scanners open links too.
 * Its button undoes the change for the reader of the earlier address: every session and grant ends, and added ways to sign in are removed.
 * The user chooses a new password. The page signs nobody in.
 */

/** A valid link, with the account as it is now. */
type Found = { link: NotMeLink; account: Account; secret: string };

export function notMeRoutes(app: App<Feature>) {
  const router = new Router();

  router.get(NOT_ME_PATH, async (ctx) => {
    await page(ctx, app, await find(app, String(ctx.query['token'] ?? '')));
  });

  router.post(NOT_ME_PATH, async (ctx) => {
    const form = await readForm(ctx);
    const secret = form.get('token') ?? '';
    assertOurForm(ctx, app.config.cookieKeys, csrfSubject(secret), form.get('csrf'), app.config.issuer);
    // The secret in the form identifies the browser, so no cookie is needed.
    const answer = await answeredBefore(ctx, app.database, { browser: '', form });
    if (answer) return giveAnswer(ctx, answer);
    await undo(ctx, app, await find(app, secret), form);
  });

  return router.routes();
}

async function undo(ctx: Context, app: App<Feature>, found: Found, form: URLSearchParams): Promise<void> {
  const { link, account, secret } = found;
  const { database } = app;
  const [password, keep] = [form.get('password') ?? '', form.getAll('keep')];
  const problem = passwordProblem(password, { ...account, email: link.email });
  if (problem) return page(ctx, app, found, { problem, keep, status: 400 });
  const passwordHash = await hashPassword(password);
  const ends = [...removeAdded(account.id, keep, { from: link.at }), dropIdleRecoveryCodes(account.id)];
  const asked = { ctx, account, app };
  try {
    const given = await writeTogether(database, [
      { purpose: 'end', once: true, statement: spendNotMeLink(secret) },
      ...ends.map((statement) => ({ purpose: 'end' as const, statement })),
      { purpose: 'keep', once: true, statement: giveBack(link, passwordHash) },
      { purpose: 'end', statement: endOutdatedLinks(account.id, link) },
      { purpose: 'end', statement: endProofsOf(account.id) },
      { purpose: 'end', statement: endAccount(account.id) },
      {
        purpose: 'keep',
        statement: recordEvent(visitorOf(ctx), { type: 'account_given_back', accountId: account.id, detail: { change: link.change } }),
      },
      // Also notify the account's current address, but without a link: otherwise two parties could take the account back and forth.
      ...[...new Set([link.email, account.email])].flatMap((email) => kept(letter(asked, email, 'given_back', { person: account.name }))),
      ...forgivingPasswordTries(ctx, link.email).map((statement) => ({ purpose: 'end' as const, statement })),
    ]);
    if (!given) throw gone();
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    return page(ctx, app, found, { problem: 'not_me.address_taken', keep, status: 409 });
  }
  render(ctx, 'account/given-back', { email: link.email });
}

/** @throws AppError 400 for a link that is used, expired, outdated by another one, or unknown. */
async function find({ database }: App<Feature>, secret: string): Promise<Found> {
  const link = await findNotMeLink(database, secret);
  const account = link && (await findAccount(database, link.accountId));
  if (!account) throw gone();
  return { link, account, secret };
}

async function page(
  ctx: Context,
  app: App<Feature>,
  { link, account, secret }: Found,
  { problem, keep = [], status = 200 }: { problem?: string; keep?: string[]; status?: number } = {},
): Promise<void> {
  // The language switch leads back here, with the secret.
  Object.assign(ctx.state, { pagePath: ctx.path, pageQuery: new URLSearchParams({ token: secret }).toString() });
  const openings = shownOpenings(await listOpenings(app.database, account.id, link.at), keep);
  const csrf = csrfToken(app.config.cookieKeys, csrfSubject(secret));
  const moved = link.email !== account.email;
  render(ctx, 'account/not-me', { ...link, action: NOT_ME_PATH, token: secret, csrf, openings, moved, problem }, status);
}

const gone = () => new AppError('not_me_gone', { status: 400, reason: 'not_me_link_used_expired_or_unknown' });

const csrfSubject = (secret: string) => `not me ${digestInHex(secret)}`;
