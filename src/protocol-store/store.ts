import type { AdapterPayload } from 'oidc-provider';

/** What the library hands over and expects back: a model's payload, with `jti` and `exp` in it. */
export type Payload = AdapterPayload;

/**
 * What every store of this folder promises; the library's adapter interface without what we never use.
 * `id` is the credential itself; only its digest is kept. `find` answers nothing for what has expired by the database's clock.
 */
export type ProtocolStore = {
  upsert(id: string, payload: Payload, expiresInSeconds?: number): Promise<void>;
  find(id: string): Promise<Payload | undefined>;
  destroy(id: string): Promise<void>;
  /** @throws SingleUseLost (at the end of a unit of work) when it was consumed before, or is not there. */
  consume?(id: string): Promise<void>;
  findByUid?(uid: string): Promise<Payload | undefined>;
  revokeByGrantId?(grantId: string): Promise<void>;
};

/** Splits a payload into what has a column of its own and the rest, which becomes JSON. */
export function rest(payload: Payload, columns: string[]): string {
  const kept = Object.entries(payload).filter(([key]) => key !== 'jti' && key !== 'exp' && key !== 'kind' && !columns.includes(key));
  return JSON.stringify(Object.fromEntries(kept));
}

/** Seconds since 1970 of a column, as payloads carry time. */
export function seconds(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}
