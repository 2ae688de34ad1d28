import type { AdapterPayload } from 'oidc-provider';

/** A model's payload as the library passes and expects it, with `jti` and `exp`. */
export type Payload = AdapterPayload;

/**
 * The contract of every store in this folder: the library's adapter interface without its unused methods.
 * `id` is the credential itself; only its digest is stored. `find` returns nothing for a row that has expired by the database's clock.
 */
export type ProtocolStore = {
  upsert(id: string, payload: Payload, expiresInSeconds?: number): Promise<void>;
  find(id: string): Promise<Payload | undefined>;
  destroy(id: string): Promise<void>;
  /** @throws SingleUseLost (at the end of a unit of work) when it was consumed before or does not exist. */
  consume?(id: string): Promise<void>;
  findByUid?(uid: string): Promise<Payload | undefined>;
  findByUserCode?(userCode: string): Promise<Payload | undefined>;
  revokeByGrantId?(grantId: string): Promise<void>;
};

/** The members that have no column of their own and are stored as JSON. */
export function rest(payload: Payload, columns: string[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(payload).filter(([key, value]) => value !== undefined && !['jti', 'exp', 'kind', ...columns].includes(key)),
  );
}

/** Seconds since 1970 of a column, as payloads express time. JSON that the database built has times as text. */
export function seconds(date: Date | string): number {
  return Math.floor(new Date(date).getTime() / 1000);
}
