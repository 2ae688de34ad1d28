import { languageOf } from '../../../http/language.ts';
import { listLiveSecrets } from '../../../oauth/clients/live-secrets.ts';
import { hasSecret } from '../../../oauth/clients/secrets.ts';
import { describeScopes } from '../../../oauth/scopes/scope-words.ts';
import type { OwnPage, Visit } from '../../../pages/own-pages.ts';
import { IDENTITY_SCOPES } from '../../../people/claims.ts';
import { DAY } from '../../../platform/clock.ts';
import { type ClientError, listClientErrors } from '../errors/client-errors.ts';
import { described } from '../errors/page.ts';
import { pkceFacts } from '../pkce/pkce.ts';
import { signInsOf } from './client-use.ts';
import { signsPeopleIn } from './kinds.ts';
import { scopesLeftOut, shareLeftOut } from './left-out.ts';
import { ownClient, pathOf } from './owned.ts';
import { showClient } from './page.ts';
import { left } from './secrets.ts';

/** Owns the page that says whether a client works: sign-ins, codes, declined scopes, the errors of the last day, and secrets about to end. */

const MOST_ERRORS = 5;

export const health: OwnPage = {
  async show(visit) {
    const record = await ownClient(visit);
    const { database } = visit.app;
    const [signIns, pkce, leftOut, errors, live] = await Promise.all([
      signInsOf(database, record.id),
      pkceFacts(visit, record),
      scopesLeftOut(database, record.id),
      listClientErrors(database, record.id),
      hasSecret(record.metadata) ? listLiveSecrets(database, record.id) : [],
    ]);
    const recent = errors.filter(({ at }) => at.getTime() > Date.now() - DAY * 1_000);
    showClient(visit, record, 'health', {
      at: pathOf(record.id),
      suspended: record.suspended_at !== null,
      signsPeopleIn: signsPeopleIn(record.metadata),
      lastSignIn: signIns.last,
      lastToken: signIns.token,
      pkce,
      leftOut: inWords(visit, leftOut),
      errors: mostFrequent(recent).map((error) => described(visit, record, error)),
      times: recent.reduce((sum, { times }) => sum + times, 0),
      ending: live.filter(({ secondsLeft }) => secondsLeft !== null).map((secret) => ({ ...secret, left: left(secret) })),
      lasting: live.some(({ secondsLeft }) => secondsLeft === null),
      confidential: hasSecret(record.metadata),
    });
  },
};

const mostFrequent = (errors: ClientError[]): ClientError[] => [...errors].sort((a, b) => b.times - a.times).slice(0, MOST_ERRORS);

type Row = { title: string; name: string; api: string | undefined; share: number };

/** @returns the optional scopes that users decided about, those left out most often first. */
function inWords({ ctx, app }: Visit, rows: Awaited<ReturnType<typeof scopesLeftOut>>): Row[] {
  const declined = rows.filter(({ name, declined }) => declined > 0 && !IDENTITY_SCOPES.includes(name));
  const asked = declined.map(({ resource, name }) => ({ ...(resource !== null && { resource }), name }));
  return describeScopes(app.resourceServers, app.config.issuer, asked, languageOf(ctx))
    .map(({ title, name, api, resource }) => ({ title, name, api, share: shareLeftOut(rows, { resource, name }) ?? 0 }))
    .sort((a, b) => b.share - a.share);
}
