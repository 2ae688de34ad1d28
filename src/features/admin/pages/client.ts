import { displayName } from '../../../oauth/clients/display-name.ts';
import { OWN_CLIENTS } from '../../../oauth/clients/first-party.ts';
import { listLiveSecrets } from '../../../oauth/clients/live-secrets.ts';
import { findLogoState } from '../../../oauth/clients/logos.ts';
import { listOwners } from '../../../oauth/clients/owners.ts';
import { countPeople } from '../../../oauth/store/grants.ts';
import { clientOf } from '../../../pages/operators/named.ts';
import { pathOfClient, pathOfPerson } from '../../../pages/operators/paths.ts';
import { type OwnPage, show, type Visit } from '../../../pages/own-pages.ts';
import { mayDo } from '../../../pages/permissions.ts';
import { Prisma } from '../../../platform/database.ts';
import { countTokens } from '../token-handles.ts';
import { CLIENT_ACTS } from './client-acts.ts';
import { pathOfOwner, pathOfSecret } from './held-acts.ts';

/** Owns the operators' page of one client. It shows the client's metadata as plain text. */

export const client: OwnPage = {
  async show(visit) {
    const { database } = visit.app;
    const { metadata, ...them } = await clientOf(visit);
    const [people, tokens, secrets, owners, logo, [kept]] = await Promise.all([
      countPeople(database, them.id),
      countTokens(database, them.id),
      listLiveSecrets(database, them.id),
      listOwners(database, them.id),
      findLogoState(database, them.id),
      database.query<Kept>(Prisma.sql`
        select c.admin_scopes, c.registered_with, t.name as token_name
        from client c left join initial_access_token t on t.id = c.registered_with where c.id = ${them.id}`),
    ]);
    const acts = actsOn(visit, { ...them, metadata });
    const may = acts.length > 0 && mayDo(visit.account.role, 'admin:clients');
    show(visit, 'admin/client', {
      client: them,
      selfRegistered: them.registration === 'dynamic',
      // Characters that change the text direction are shown as escapes.
      metadata: Object.entries(metadata).map(([member, value]) => [
        member,
        legible(typeof value === 'string' ? value : JSON.stringify(value)),
      ]),
      people,
      tokens,
      logo,
      adminScopes: kept?.admin_scopes ?? [],
      madeWith: kept?.registered_with && { id: kept.registered_with, name: kept.token_name },
      owners: owners.map(({ id, name, email }) => ({
        path: pathOfPerson(id),
        name: displayName(name, email),
        email,
        ...(may && owners.length > 1 && { remove: pathOfOwner(them.id, id) }),
      })),
      ...(may && { addOwner: pathOfClient(them.id, '/owners/add') }),
      secrets: secrets.map((secret) => ({ ...secret, ...(may && { end: pathOfSecret(them.id, secret.name) }) })),
      links: {
        access: withClient('/admin/access', them.id),
        tokens: withClient('/admin/tokens', them.id),
        audit: withClient('/admin/audit', them.id),
      },
      acts,
    });
  },
};

type Kept = { admin_scopes: string[]; registered_with: string | null; token_name: string | null };

/** @returns the acts open to this operator. The server's own clients have none. */
function actsOn({ account, app }: Visit, them: Awaited<ReturnType<typeof clientOf>>) {
  if (OWN_CLIENTS.includes(them.id)) return [];
  const acts = [...CLIENT_ACTS, ...app.features.flatMap((feature) => feature.administration?.clientActs ?? [])];
  return acts
    .filter(({ act, fits }) => mayDo(account.role, act.scope) && (fits?.(them) ?? true))
    .map(({ path, words, grave }) => ({ href: pathOfClient(them.id, path), words, grave }));
}

const withClient = (path: string, client: string) => `${path}?${new URLSearchParams({ client })}`;

const CONTROL = /[\p{Cc}\p{Cf}\p{Cs}\u115f\u1160\u2028\u2029\u3164\uffa0]/gu;

/** @returns the text with invisible and reordering characters as escapes, so that the operator sees the real content. */
export const legible = (text: string): string => text.replace(CONTROL, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
