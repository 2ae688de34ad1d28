import { told, type Visit } from '../authorization-server/own-pages.ts';
import { chooseIntrospector, dismissIntrospector, type OwnedApiWithScopes } from '../clients/api-ownership.ts';
import { MAX_NAME_CHARACTERS } from '../clients/display-name.ts';
import { MAX_OWNED_CLIENTS } from '../clients/ownership.ts';
import type { Write } from '../protocol-store/unit-of-work.ts';
import { makeClient } from './making.ts';

/** A client that does nothing but introspect for an API: it proves who it is, and can ask nobody for anything. */

export type MadeIntrospector = { clientId: string; secret?: string } | { problem: string; values?: Record<string, number> };

export async function makeIntrospector(visit: Visit, own: OwnedApiWithScopes): Promise<MadeIntrospector> {
  const client_name = [...own.name].slice(0, MAX_NAME_CHARACTERS).join('');
  const members = {
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: [],
    response_types: [],
    redirect_uris: [],
  };
  const along = (clientId: string): Omit<Write, 'subject'>[] => [
    { purpose: 'end', statement: dismissIntrospector(visit.account.id, own.id) },
    { purpose: 'keep', once: true, statement: chooseIntrospector(visit.account.id, own.id, clientId) },
    {
      purpose: 'keep',
      statement: told(visit, 'resource_server_changed', { clientId, detail: { resource: own.identifier, changes: ['introspector'] } }),
    },
  ];
  let made = await makeClient(visit, { client_name, ...members }, along);
  // The API may be called like a client that an operator has verified: this one then has no name, as nobody but its owners sees it.
  if ('problem' in made) made = await makeClient(visit, members, along);
  if ('problem' in made) throw new Error(`a client to introspect was refused: ${made.problem}`);
  return 'tooMany' in made ? { problem: 'developer.too_many_clients', values: { most: MAX_OWNED_CLIENTS } } : made;
}
