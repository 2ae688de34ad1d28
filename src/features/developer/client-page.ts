import { displayName } from '../../oauth/clients/display-name.ts';
import type { ClientRecord } from '../../oauth/clients/inspection.ts';
import { hasSecret } from '../../oauth/clients/secrets.ts';
import { initialOf } from '../../oauth/consent/client-facts.ts';
import { show, type Visit } from '../../pages/own-pages.ts';
import { asksForNothing, placeOf, signsPeopleIn } from './kinds.ts';

/** The frame that all pages of one client share, by what its person knows it by. */

type Named = Pick<ClientRecord, 'id' | 'metadata'> & { logo?: string | undefined };

/** Answers with a page of a client. @param view below `views/developer/`. @param data `problem` is why a form changed nothing. */
export function showClient(visit: Visit, client: Named, view: string, data: Record<string, unknown> & { problem?: string } = {}): void {
  const name = nameOf(client);
  const { id, metadata, logo } = client;
  show(visit, `developer/${view}`, {
    ...data,
    client: { id, name, initial: initialOf(name), logo, kind: placeOf(metadata) ?? 'otherwise', without: pagesWithout(metadata) },
  });
}

/** The pages that would have nothing to say of a client: its menu does without them. */
function pagesWithout(metadata: Record<string, unknown>): string[] {
  return [
    ...(hasSecret(metadata) ? [] : ['secrets']),
    ...(signsPeopleIn(metadata) ? [] : ['preview']),
    ...(asksForNothing(metadata) ? ['try', 'snippets'] : []),
  ];
}

/** What a client calls itself, as far as it can be shown; its id, for one without a name. */
export function nameOf({ id, metadata }: Named): string {
  const name: unknown = metadata['client_name'];
  return displayName(typeof name === 'string' ? name : undefined, id);
}
