import { listEvents } from '../../audit/events.ts';
import { languageOf } from '../../http/language.ts';
import { LIMITS, limitRate } from '../../http/rate-limit.ts';
import { OWN_PAGES } from '../../oauth/clients/first-party.ts';
import { listConnectedClients } from '../../oauth/store/connected-clients.ts';
import { listSessions } from '../../oauth/store/signed-in-browsers.ts';
import { describe } from '../../pages/described-app.ts';
import { type OwnPage, recordOwnEvent, show, type Visit } from '../../pages/own-pages.ts';
import { systemClock } from '../../platform/clock.ts';

/** Owns the copy of all data stored about a user (GDPR articles 15 and 20). It contains no secrets or tokens. */

// Far more than a user causes in a year.
const MOST_EVENTS = 50_000;

export const dataExport: OwnPage = {
  recent: true,

  async show(visit) {
    show(visit, 'account/export');
  },

  async submit(visit) {
    const { account, ctx, app } = visit;
    await limitRate(app.database, LIMITS.dataExport, account.id);
    await app.database.change(recordOwnEvent(visit, 'data_exported'));
    ctx.attachment('munjigi-account.json');
    ctx.type = 'application/json';
    ctx.set('Cache-Control', 'no-store');
    ctx.body = `${JSON.stringify(await everything(visit), null, 2)}\n`;
  },
};

async function everything({ account, ctx, app, session }: Visit) {
  const { database } = app;
  const [user, clients, sessions, events, ofFeatures] = await Promise.all([
    database.prisma.user.findUniqueOrThrow({
      where: { id: account.id },
      include: { passkeys: true, totp: true, recoveryCodes: { orderBy: { createdAt: 'asc' } } },
    }),
    listConnectedClients(database, account.id, OWN_PAGES, languageOf(ctx)),
    listSessions(database, account.id),
    listEvents(database, account.id, { limit: MOST_EVENTS, language: languageOf(ctx) }),
    Promise.all(app.features.map((feature) => feature.dataOfAccount?.(database, account.id))),
  ]);
  // List the columns by name, so that a new column is not exported by accident.
  const { id, email, emailVerified, username, name, locale, role, createdAt, updatedAt } = user;
  return {
    exportedAt: systemClock.now(),
    profile: { id, email, emailVerified, username, name, locale, role, createdAt, updatedAt },
    signIn: {
      password: user.passwordHash !== null,
      authenticatorApp: user.totp && { createdAt: user.totp.createdAt, confirmedAt: user.totp.confirmedAt },
      passkeys: user.passkeys.map((key) => ({ name: key.name, backedUp: key.backedUp, createdAt: key.createdAt, usedAt: key.usedAt })),
      recoveryCodes: user.recoveryCodes.map((code) => ({ createdAt: code.createdAt, usedAt: code.usedAt })),
    },
    ...Object.assign({}, ...ofFeatures),
    connectedApps: clients.map((client) => {
      const { id: clientId, scopes, ...described } = describe(client, app, languageOf(ctx));
      return { clientId, ...described, scopes: scopes.map(({ name: scope, resource, title }) => ({ scope, resource, title })) };
    }),
    sessions: sessions.map((row) => ({
      thisDevice: row.uid === session.uid,
      browser: row.browser,
      network: row.address,
      since: row.created_at,
      usedAt: row.used_at,
      expiresAt: row.expires_at,
    })),
    activity: events.map(({ id: _, ...event }) => event),
    notIncluded: ['Posts that apps wrote in your name at /api/posts: they are kept by that API, and an app that you allow can read them.'],
  };
}
