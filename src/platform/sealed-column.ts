import type { Statement } from './database.ts';

/** A column of encrypted values with a long life, which `munjigi keys reseal` encrypts again. Values that expire within hours are skipped. */
export type SealedColumn = {
  table: string;
  id: string;
  column: string;
  /** @returns the context that authenticates a row's value. */
  context(id: string): string;
  /** Condition on rows that may be changed now; all rows by default. */
  idle?: Statement;
};
