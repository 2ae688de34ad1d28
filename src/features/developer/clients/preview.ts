import { languageOf } from '../../../http/language.ts';
import type { ClientRecord } from '../../../oauth/clients/inspection.ts';
import { describeConsent } from '../../../oauth/consent/consent-page.ts';
import { adminApi } from '../../../oauth/scopes/resource-servers.ts';
import type { ScopeAt } from '../../../oauth/scopes/scope-words.ts';
import type { OwnPage, Visit } from '../../../pages/own-pages.ts';
import { isRedirected } from './kinds.ts';
import { type OwnClient, ownClient, pathOf } from './owned.ts';
import { showClient } from './page.ts';
import { changeNeeds, reasonsOf, scopeNeeds } from './required-scopes.ts';
import { isNear, registeredScopes } from './scope-choice.ts';

/**
 * Owns the form of required scopes, and the preview of the consent page for all registered scopes. The preview renders the consent page's
 * own view.
 */
export const preview: OwnPage = {
  async show(visit) {
    await page(visit, await ownClient(visit));
  },

  async submit(visit, form) {
    const record = await ownClient(visit);
    const problem = await changeNeeds(visit, record, scopeNeeds(visit, record, askable(visit, record)), form);
    if (problem) await page(visit, record, problem);
  },
};

async function page(visit: Visit, record: OwnClient, problem?: string): Promise<void> {
  const { account, ctx, app } = visit;
  const { database, resourceServers, config } = app;
  const client = await app.provider.Client.find(record.id);
  const asked = askable(visit, record);
  const consent = client && {
    ...(await describeConsent(
      { database, resourceServers, issuer: config.issuer, language: languageOf(ctx) },
      { client, account, redirectUri: addressOf(record), asked: { scopes: asked, claims: [] }, grant: undefined },
    )),
    preview: true,
  };
  const needs = scopeNeeds(visit, record, asked);
  showClient(visit, record, 'preview', {
    consent,
    needs,
    reasons: reasonsOf(record),
    at: pathOf(record.id, '/preview'),
    ...(problem && { problem }),
  });
}

/** @returns the first redirect URI, which a request without one would use; undefined for a device. */
function addressOf({ metadata }: ClientRecord): string | undefined {
  const { grant_types: grants = ['authorization_code'], redirect_uris: uris } = metadata;
  const [first] = Array.isArray(uris) ? uris : [];
  return isRedirected({ grant_types: Array.isArray(grants) ? grants.map(String) : [] }) && typeof first === 'string' ? first : undefined;
}

// A client without registered scopes may request every scope. The preview then shows those of this server and of the owner's APIs.
function askable({ account, app }: Visit, { metadata, services: allowed }: ClientRecord): ScopeAt[] {
  const registered = registeredScopes(metadata);
  const { issuer } = app.config;
  return app.resourceServers
    .filter((server) => server.identifier !== adminApi(issuer) && (registered || isNear(server, issuer, account.id)))
    .flatMap(({ identifier, scopes }) =>
      scopes
        .filter(({ name, provider }) => (registered?.includes(name) ?? true) && (!provider || allowed.includes(provider.id)))
        .map(({ name }) => ({ ...(identifier === issuer ? undefined : { resource: identifier }), name })),
    );
}
