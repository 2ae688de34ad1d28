import type { Problem } from '../../../http/problem.ts';
import { displayName } from '../../../oauth/clients/display-name.ts';
import { writeTogether } from '../../../oauth/store/unit-of-work.ts';
import { backTo, type OwnPage, recordOwnEvent, type Visit } from '../../../pages/own-pages.ts';
import { sealCreation } from '../clients/one-creation.ts';
import { chooseIntrospector, dismissIntrospector, listPossibleIntrospectors, type OwnedApiWithScopes } from './api-ownership.ts';
import { makeIntrospector } from './introspector.ts';
import { apiPath, limitApiChanges, ownApi, showApi } from './owned-api.ts';

/**
 * Owns the choice of the client that may introspect tokens for an API. It must be a client of the API's owner that authenticates. Only it
 * and the client to which the token was issued get `active: true` for this audience (RFC 7662 section 4).
 */

export const apiIntrospection: OwnPage = {
  recent: true,

  async show(visit) {
    await page(visit, await ownApi(visit));
  },

  /** `client` is the id of the chosen client, or empty for none; `make` creates a new one. */
  async submit(visit, form) {
    const own = await ownApi(visit);
    await limitApiChanges(visit);
    if (form.has('make')) {
      const result = await makeIntrospector(visit, own, form);
      if ('made' in result) showApi(visit, own, 'api-client', { ...result.made, clientId: result.made.metadata.client_id });
      else if ('problems' in result) await page(visit, own, 'developer.problems', result.problems);
      return;
    }
    const chosen = form.get('client') ?? '';
    const kept = await writeTogether(visit.app.database, [
      { purpose: 'end', statement: dismissIntrospector(visit.account.id, own.id) },
      ...(chosen ? [{ purpose: 'keep' as const, once: true, statement: chooseIntrospector(visit.account.id, own.id, chosen) }] : []),
      {
        purpose: 'keep',
        statement: recordOwnEvent(visit, 'resource_server_changed', {
          ...(chosen && { clientId: chosen }),
          detail: { resource: own.identifier, changes: ['introspector'] },
        }),
      },
    ]);
    if (!kept) return page(visit, own, 'developer.apis.introspector_wrong');
    backTo(visit, apiPath(own.id, '/introspection'));
  },
};

async function page(visit: Visit, own: OwnedApiWithScopes, problem?: string, wrong: Problem[] = []): Promise<void> {
  const clients = await listPossibleIntrospectors(visit.app.database, visit.account.id, own.id);
  showApi(visit, own, 'api-introspection', {
    clients: clients.map(({ id, name, chosen }) => ({ id, chosen, name: displayName(name ?? undefined, id) })),
    elsewhere: own.introspector && !clients.some(({ id }) => id === own.introspector) ? own.introspector : undefined,
    issuer: visit.app.config.issuer,
    creation: sealCreation(visit),
    ...(problem && { problem }),
    wrong,
  });
}
