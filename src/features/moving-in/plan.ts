import { OWN_CLIENTS } from '../../oauth/clients/first-party.ts';
import { allowServices, type ClientMetadata, restoreClient, saveClient, suspendClient } from '../../oauth/clients/store.ts';
import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import { digest, randomSecret } from '../../platform/secrets.ts';
import { changed, type Draft } from './draft.ts';

/** Owns the plan of an import: whether each client is created, updated, skipped or refused, and the statements for it. */

export type Planned = {
  draft: Draft;
  outcome: 'make' | 'update' | 'skip' | 'refuse';
  /** Why it is skipped or refused. */
  why?: string;
  /** The metadata to store, without the secret. */
  metadata?: ClientMetadata;
  /** In clear text, to add to the client's existing secrets. */
  secret?: string;
  /** Whether the secret is new, so that its owner must still receive it. */
  reissued?: boolean;
  existing?: Existing;
};

type Existing = {
  id: string;
  registration: string;
  services: string[];
  origins: string[];
  secrets: number;
  /** It was imported without an address, and is suspended until it has one. */
  waits: boolean;
};

/** @param judge see oauth/clients/operator-client.ts. @param update whether to change a client that already exists. */
export async function planImport(
  database: Database,
  drafts: Iterable<Draft>,
  { judge, update }: { judge(metadata: ClientMetadata): ClientMetadata; update: boolean },
): Promise<Planned[]> {
  const all = [...drafts];
  const here = await readExisting(database, all);
  const taken = await readHolders(database, all);
  const subjects = await readSubjects(database, all);
  return all.map((draft) => {
    const existing = here.get(draft.clientId);
    const held = reasonNotTo(draft, existing, { update, subjects });
    if (held) return { draft, ...held };
    settleAgainst(draft, existing, taken);
    try {
      return { draft, outcome: existing ? 'update' : 'make', ...judged(draft, judge), ...(existing ? { existing } : undefined) };
    } catch (error) {
      return { draft, outcome: 'refuse', why: (error as Error).message };
    }
  });
}

function reasonNotTo(
  draft: Draft,
  existing: Existing | undefined,
  { update, subjects }: { update: boolean; subjects: Set<string> },
): Pick<Planned, 'outcome' | 'why'> | undefined {
  if (draft.passedOver) return { outcome: 'skip', why: draft.passedOver };
  if (OWN_CLIENTS.includes(draft.clientId)) return { outcome: 'refuse', why: "its client id is one of this server's own: give it another" };
  // A client's own tokens carry its client id as `sub`, so a resource server would take them for the user's (RFC 9068 section 2.2).
  if (subjects.has(draft.clientId)) return { outcome: 'refuse', why: 'its client id is the id of an account here: give it another' };
  if (draft.refusal) return { outcome: 'refuse', why: draft.refusal };
  if (existing?.registration === 'dynamic')
    return { outcome: 'skip', why: 'a client with this id registered itself here: it is its own to change' };
  if (existing?.waits && draft.waits) return { outcome: 'skip', why: 'it is here already, suspended until it has a redirect URI' };
  if (existing && !update && !existing.waits) return { outcome: 'skip', why: 'it is here already: --update would change it' };
  return undefined;
}

/** Two clients cannot share a secret, and an existing client keeps its secrets. */
function settleAgainst(draft: Draft, existing: Existing | undefined, taken: Map<string, string>): void {
  if (draft.secret.kind === 'kept') {
    const key = keyOf(draft.secret.value);
    const holder = taken.get(key);
    if (holder === undefined || holder === draft.clientId) return void taken.set(key, draft.clientId);
    draft.secret = { kind: 'reissue' };
    noteSecret(draft, 'a new one', 'another client has the same');
  }
  if (draft.secret.kind !== 'reissue' || !existing?.secrets) return;
  draft.secret = { kind: 'none' };
  noteSecret(draft, 'as it is', 'the client keeps the secrets that it has here');
}

function noteSecret(draft: Draft, to: string, why: string): void {
  const field = draft.fields.find(({ field }) => field === 'secret' || field === 'client_secret')?.field ?? 'secret';
  draft.fields = draft.fields.filter((note) => note.field !== field);
  changed(draft, field, { from: 'not shown', to, why });
}

function judged(draft: Draft, judge: (metadata: ClientMetadata) => ClientMetadata): Pick<Planned, 'metadata' | 'secret' | 'reissued'> {
  const method = draft.metadata['token_endpoint_auth_method'];
  const needs = method !== 'none' && method !== 'private_key_jwt';
  const secret = draft.secret.kind === 'kept' ? draft.secret.value : randomSecret();
  const { client_secret: _, ...metadata } = judge({
    client_id: draft.clientId,
    ...draft.metadata,
    ...(needs ? { client_secret: secret } : undefined),
  });
  return {
    metadata: metadata as ClientMetadata,
    ...(draft.secret.kind === 'none' ? undefined : { secret, reissued: draft.secret.kind === 'reissue' }),
  };
}

/** @returns statements to run together with the audit event. */
export function importClient({ metadata, secret, existing, draft }: Planned): Statement[] {
  if (!metadata) return [];
  const { services = [], origins = [] } = existing ?? {};
  return [
    ...(existing ? [] : [mustBeNew(metadata.client_id)]),
    ...saveClient(secret === undefined ? metadata : { ...metadata, client_secret: secret }),
    // Saving removes the services that an operator allowed.
    ...(services.length ? [allowServices(metadata.client_id, { services, origins })] : []),
    ...(draft.suspended ? [suspendClient(metadata.client_id)] : existing?.waits ? [restoreClient(metadata.client_id)] : []),
  ];
}

/** Fails when a client with this id was created since the plan, because saving would change it. */
function mustBeNew(clientId: string): Statement {
  return Prisma.sql`select 1 / case when exists (select from client where id = ${clientId}) then 0 else 1 end`;
}

const idsOf = (drafts: Draft[]): string[] => drafts.map(({ clientId }) => clientId).filter((id) => /^[\x21-\x7e]{1,255}$/.test(id));

/** @returns those of the client ids that are also account ids. */
async function readSubjects(database: Database, drafts: Draft[]): Promise<Set<string>> {
  const rows = await database.aside<{ id: string }>(Prisma.sql`select id from user_account where id = any(${idsOf(drafts)})`);
  return new Set(rows.map(({ id }) => id));
}

async function readExisting(database: Database, drafts: Draft[]): Promise<Map<string, Existing>> {
  const ids = idsOf(drafts);
  const rows = await database.aside<Existing>(Prisma.sql`
    select c.id, c.registration::text, c.services, c.origins,
      (c.suspended_at is not null and coalesce(c.metadata->'grant_types', '[]') = '[]' and c.introspects is null) as waits,
      (select count(*)::int from client_secret s where s.client_id = c.id and (s.expires_at is null or s.expires_at > now())) as secrets
    from client c where c.id = any(${ids})`);
  return new Map(rows.map((row) => [row.id, row]));
}

const keyOf = (secret: string): string => Buffer.from(digest(secret)).toString('hex');

/** @returns which of these secrets a client already has, by their digests in hex. */
async function readHolders(database: Database, drafts: Draft[]): Promise<Map<string, string>> {
  const digests = drafts.flatMap(({ secret }) => (secret.kind === 'kept' ? [digest(secret.value)] : []));
  const rows = await database.aside<{ key: string; clientId: string }>(Prisma.sql`
    select encode(digest, 'hex') as key, client_id as "clientId" from client_secret where digest = any(${digests})`);
  return new Map(rows.map(({ key, clientId }) => [key, clientId]));
}
