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
  findByUserCode?(userCode: string): Promise<Payload | undefined>;
  revokeByGrantId?(grantId: string): Promise<void>;
};

/** What has no column of its own, and becomes JSON. */
export function rest(payload: Payload, columns: string[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(payload).filter(([key, value]) => value !== undefined && !['jti', 'exp', 'kind', ...columns].includes(key)),
  );
}

/** Seconds since 1970 of a column, as payloads carry time; JSON built by the database carries it as text. */
export function seconds(date: Date | string): number {
  return Math.floor(new Date(date).getTime() / 1000);
}
