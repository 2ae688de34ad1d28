import { displayName } from '../../../oauth/clients/display-name.ts';
import type { ClientRecord } from '../../../oauth/clients/inspection.ts';
import { hasSecret } from '../../../oauth/clients/secrets.ts';
import { initialOf } from '../../../oauth/consent/client-facts.ts';
import { show, type Visit } from '../../../pages/own-pages.ts';
import { asksForNothing, placeOf, signsPeopleIn } from './kinds.ts';

/** Owns the frame that all pages of one client share. */

type Named = Pick<ClientRecord, 'id' | 'metadata'> & { logo?: string | undefined };

/** Renders a page of a client. @param view path below `views/developer/`. @param data `problem` says why a form changed nothing. */
export function showClient(visit: Visit, client: Named, view: string, data: Record<string, unknown> & { problem?: string } = {}): void {
  const name = nameOf(client);
  const { id, metadata, logo } = client;
  show(visit, `developer/${view}`, {
    ...data,
    client: { id, name, initial: initialOf(name), logo, kind: placeOf(metadata) ?? 'otherwise', without: pagesWithout(metadata) },
  });
}

/** @returns the pages that have no content for this client, so that its menu omits them. */
function pagesWithout(metadata: Record<string, unknown>): string[] {
  return [
    ...(hasSecret(metadata) ? [] : ['secrets']),
    ...(signsPeopleIn(metadata) ? [] : ['preview']),
    ...(asksForNothing(metadata) ? ['try', 'snippets'] : []),
  ];
}

/** @returns the client's name without deceptive characters; its id if it has no name. */
export function nameOf({ id, metadata }: Named): string {
  const name: unknown = metadata['client_name'];
  return displayName(typeof name === 'string' ? name : undefined, id);
}
