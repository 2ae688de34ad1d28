import type { Language } from '../http/language.ts';
import { type Database, Prisma, type Statement } from '../platform/database.ts';

/**
 * Owns the audit log: what was done, by whom and from where. Events are only added: this file neither changes nor deletes one.
 * oauth/store/prune.ts deletes them after a year.
 */

/** All types of events. Each has a sentence for the user, `activity.<type>` in views/messages. */
export type EventType =
  | 'signed_in'
  | 'sign_in_failed'
  | 'signed_up'
  | 'password_reset'
  | 'account_given_back'
  | 'factor_failed'
  | 'passkey_added'
  | 'passkey_renamed'
  | 'passkey_removed'
  | 'totp_added'
  | 'totp_removed'
  | 'recovery_codes_made'
  | 'recovery_code_used'
  | 'factors_removed'
  | 'consent_given'
  | 'consent_denied'
  | 'profile_changed'
  | 'password_changed'
  | 'password_change_failed'
  | 'email_changed'
  | 'access_revoked'
  | 'session_ended'
  | 'other_sessions_ended'
  | 'data_exported'
  | 'deletion_scheduled'
  | 'deletion_taken_back'
  | 'device_connected'
  | 'identity_linked'
  | 'identity_unlinked'
  | 'identity_details_changed'
  | 'service_connected'
  | 'service_reached'
  | 'client_made'
  | 'client_deleted'
  | 'account_made'
  | 'account_disabled'
  | 'account_enabled'
  | 'signed_out_everywhere'
  // Earlier names of role_changed. The log still has events of these types.
  | 'admin_made'
  | 'admin_unmade'
  | 'access_ended'
  | 'client_changed'
  | 'client_suspended'
  | 'client_restored'
  | 'client_verified'
  | 'client_unverified'
  | 'client_pkce_changed'
  | 'client_services_changed'
  | 'client_admin_scopes_changed'
  | 'client_secret_made'
  | 'client_secret_ended'
  | 'client_owner_invited'
  | 'client_owner_joined'
  | 'client_owner_left'
  | 'resource_server_made'
  | 'resource_server_changed'
  | 'resource_server_deleted'
  | 'initial_access_token_made'
  | 'initial_access_token_ended'
  | 'software_issuer_trusted'
  | 'software_issuer_untrusted'
  | 'role_changed'
  | 'keys_rotated'
  | 'keys_used'
  | 'audit_exported'
  | 'data_exported_by_operator'
  | 'data_restored'
  | 'backup_restored'
  | 'clients_imported';

export type AuditEvent = {
  type: EventType;
  /** The account that was affected, and the one that acted unless `actorId` is set. */
  accountId?: string;
  /** The operator's account, when the user did not act themselves. */
  actorId?: string;
  clientId?: string;
  /** Further facts, without secrets and without a stranger's free text. */
  detail?: Record<string, string | number | boolean | string[]>;
};

/** Used instead of a request's id for an operator's command. */
export const AT_THE_MACHINE = 'operator';

/** See http/visitor.ts. */
export type From = { address: string; browser: string | undefined; requestId: string };

/** The insert of an event. Run it in the transaction of the change, so that neither is stored without the other. */
export function recordEvent(from: From, { type, accountId, actorId, clientId, detail = {} }: AuditEvent): Statement {
  return Prisma.sql`
    insert into audit_event (id, type, account_id, actor_id, client_id, address, browser, request_id, detail)
    values (uuidv7()::text, ${type}, ${accountId ?? null}, ${actorId ?? null}, ${clientId ?? null}, ${from.address}, ${from.browser ?? null}, ${from.requestId}, ${JSON.stringify(detail)}::jsonb)`;
}

/**
 * An act and its event as one statement, which returns the act's rows. An act that changed nothing writes no event.
 * @param act an insert, update or delete with `returning`, without a leading `with`.
 * @param idAs the member of `detail` that gets the `id` returned by the act.
 */
export function recordEventWith(act: Statement, from: From, event: AuditEvent, idAs?: string): Statement {
  const { type, accountId, actorId, clientId, detail = {} } = event;
  const told = idAs === undefined ? Prisma.empty : Prisma.sql`|| jsonb_build_object(${idAs}::text, act.id)`;
  return Prisma.sql`
    with act as (${act}),
    told as (
      insert into audit_event (id, type, account_id, actor_id, client_id, address, browser, request_id, detail)
      select uuidv7()::text, ${type}, ${accountId ?? null}, ${actorId ?? null}, ${clientId ?? null}, ${from.address}, ${from.browser ?? null}, ${from.requestId}, ${JSON.stringify(detail)}::jsonb ${told}
      from act limit 1)
    select * from act`;
}

/** The insert of one event for each of many rows. @param each a select of `account_id` and `client_id`, either of which may be null. */
export function recordEventForEach(
  from: From,
  { type, actorId, detail = {} }: Omit<AuditEvent, 'accountId' | 'clientId'>,
  each: Statement,
): Statement {
  return Prisma.sql`
    insert into audit_event (id, type, account_id, actor_id, client_id, address, browser, request_id, detail)
    select uuidv7()::text, ${type}, each.account_id, ${actorId ?? null}, each.client_id, ${from.address}, ${from.browser ?? null}, ${from.requestId}, ${JSON.stringify(detail)}::jsonb
    from (${each}) each`;
}

export type KeptEvent = {
  id: string;
  at: Date;
  type: string;
  clientId: string | null;
  /** The client's current name; null when the client was deleted or the event concerns none. */
  clientName: string | null;
  /** The current name of the event's upstream provider; null when it was deleted or the event concerns none. */
  providerName: string | null;
  address: string | null;
  browser: string | null;
  requestId: string | null;
};

const EVENT_ID = /^[0-9a-f-]{36}$/;

/**
 * An account's events, newest first.
 * @param before id of an event of this account; the list continues after it. Any other id starts from the newest.
 * @param language of the reader, for names.
 */
export function listEvents(
  database: Database,
  accountId: string,
  { before = '', limit, language }: { before?: string; limit: number; language: Language },
): Promise<KeptEvent[]> {
  const known = EVENT_ID.test(before) ? before : null;
  return database.query<KeptEvent>(Prisma.sql`
    select e.id, e.at, e.type, e.client_id as "clientId", coalesce(c.metadata->>${`client_name#${language}`}::text, c.metadata->>'client_name') as "clientName", p.name as "providerName", e.address, e.browser, e.request_id as "requestId"
    from audit_event e left join client c on c.id = e.client_id left join upstream_provider p on p.id = e.detail->>'provider'
    where e.account_id = ${accountId}
      and (e.at, e.id) < (select coalesce(max(b.at), 'infinity'), coalesce(max(b.id), '') from audit_event b where b.id = ${known} and b.account_id = ${accountId})
    order by e.at desc, e.id desc limit ${limit}`);
}
