import { setTimeout as pause } from 'node:timers/promises';
import type { Problem } from '../../../http/problem.ts';
import type { ClientRecord } from '../../../oauth/clients/inspection.ts';
import { judgePortalClient } from '../../../oauth/clients/metadata/client-judgement.ts';
import type { ClientMetadata } from '../../../oauth/clients/store.ts';
import { writeTogether } from '../../../oauth/store/unit-of-work.ts';
import { recordOwnEvent, type Visit } from '../../../pages/own-pages.ts';
import { Prisma } from '../../../platform/database.ts';
import { problemsOf } from '../clients/form.ts';
import { callbackOf } from './visit.ts';

/**
 * Owns the registration of the portal's callback with a client while its owner tries it. The callback says nothing about the client's
 * owner, so a verified client stays verified. The URI is judged like any other.
 */

export function hasAddress({ app: { config } }: Visit, { metadata }: ClientRecord): boolean {
  const uris = metadata['redirect_uris'];
  return Array.isArray(uris) && uris.includes(callbackOf(config.issuer));
}

/** @returns the problems; empty when the URI is registered. */
export async function addAddress(visit: Visit, client: ClientRecord): Promise<Problem[]> {
  const { provider, database, config } = visit.app;
  const address = callbackOf(config.issuer);
  const live = await provider.Client.find(client.id);
  if (!live) return [{ field: 'redirect_uris', key: 'developer.suspended_unchanged' }];
  const uris = [...(live.redirectUris ?? []).filter((uri) => uri !== address), address];
  const metadata = { ...live.metadata(), client_id: client.id, redirect_uris: uris } as ClientMetadata;
  const judged = judgePortalClient(provider, metadata, live);
  if (!judged.ok) return problemsOf(metadata, judged.problem, visit.app);
  await writeTogether(database, [
    {
      purpose: 'keep',
      once: true,
      statement: Prisma.sql`
        update client set metadata = jsonb_set(metadata, '{redirect_uris}', coalesce(metadata->'redirect_uris', '[]') || to_jsonb(${address}::text)), updated_at = now()
        where id = ${client.id} and not coalesce(metadata->'redirect_uris', '[]') ? ${address}`,
    },
    {
      purpose: 'keep',
      statement: recordOwnEvent(visit, 'client_changed', { clientId: client.id, detail: { redirect_uri_added: address } }),
    },
  ]);
  await heard(visit, client.id, address);
  return [];
}

const HEARD_WITHIN_MS = 1_000;
const LOOK_EVERY_MS = 20;

/** The database notifies this node of the change shortly (oauth/clients/cache.ts). Wait for it before redirecting the browser. */
async function heard({ app: { provider } }: Visit, clientId: string, address: string): Promise<void> {
  for (let waitedMs = 0; waitedMs < HEARD_WITHIN_MS; waitedMs += LOOK_EVERY_MS) {
    if ((await provider.Client.find(clientId))?.redirectUris?.includes(address)) return;
    await pause(LOOK_EVERY_MS);
  }
}

/**
 * @returns whether the URI was registered. The only URI of a client stays, since a client that takes codes needs one (RFC 7591 section 2).
 */
export function removeAddress(visit: Visit, client: ClientRecord): Promise<boolean> {
  const { database, config } = visit.app;
  const address = callbackOf(config.issuer);
  return writeTogether(database, [
    {
      purpose: 'keep',
      once: true,
      statement: Prisma.sql`
        update client set metadata = jsonb_set(metadata, '{redirect_uris}', (metadata->'redirect_uris') - ${address}::text), updated_at = now()
        where id = ${client.id} and metadata->'redirect_uris' ? ${address} and jsonb_array_length(metadata->'redirect_uris') > 1`,
    },
    {
      purpose: 'keep',
      statement: recordOwnEvent(visit, 'client_changed', { clientId: client.id, detail: { redirect_uri_removed: address } }),
    },
  ]);
}
