import { Prisma, type Statement } from '../platform/database.ts';

/**
 * Owns the record of what was done, by whom and from where. It is only ever added to: nothing here changes or deletes an event.
 */

/** What can happen. Each has a sentence for its person, `activity.<type>` in views/messages. */
export type EventType =
  | 'signed_in'
  | 'sign_in_failed'
  | 'signed_up'
  | 'password_reset'
  | 'factor_failed'
  | 'passkey_added'
  | 'passkey_renamed'
  | 'passkey_removed'
  | 'totp_added'
  | 'totp_removed'
  | 'recovery_codes_made'
  | 'recovery_code_used'
  | 'consent_given'
  | 'consent_denied';

export type AuditEvent = {
  type: EventType;
  accountId?: string;
  clientId?: string;
  /** What else there is to know, without a secret and without free text of a stranger's. */
  detail?: Record<string, string | number | boolean | string[]>;
};

/** See http/visitor.ts. */
type From = { address: string; browser: string | undefined; requestId: string };

/** The writing of an event, to be run along with what it tells of: in the same transaction, so that neither is there without the other. */
export function auditEvent(from: From, { type, accountId, clientId, detail = {} }: AuditEvent): Statement {
  return Prisma.sql`
    insert into audit_event (id, type, account_id, client_id, address, browser, request_id, detail)
    values (uuidv7()::text, ${type}, ${accountId ?? null}, ${clientId ?? null}, ${from.address}, ${from.browser ?? null}, ${from.requestId}, ${JSON.stringify(detail)}::jsonb)`;
}
