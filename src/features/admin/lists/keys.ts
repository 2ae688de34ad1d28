import { z } from 'zod';
import { scheduleOf } from '../../../oauth/keys/key-schedule.ts';
import { readSigningKeys } from '../../../oauth/keys/signing-keys.ts';
import type { List } from '../../../pages/operators/list.ts';

/** Owns the operators' list of signing keys: their schedule, without key material. There are only a few. */

const KEY = z.object({
  kid: z.string(),
  algorithm: z.string(),
  phase: z.enum(['next', 'signing', 'retired', 'gone']),
  created_at: z.iso.datetime(),
  signs_from: z.iso.datetime(),
  signs_until: z.iso.datetime().nullable(),
  published_until: z.iso.datetime().nullable(),
});

export type KeyRow = {
  kid: string;
  algorithm: string;
  phase: 'next' | 'signing' | 'retired' | 'gone';
  created_at: Date;
  signs_from: Date;
  signs_until: Date | null;
  published_until: Date | null;
};

export const keys: List<object, KeyRow> = {
  name: 'keys',
  summary: 'Signing keys, ordered by id',
  filters: z.strictObject({}),
  row: KEY,
  async find({ database }, _filters, limit, after) {
    const { keys, readAt, keptSeconds } = await readSigningKeys(database);
    const rows = [...scheduleOf(keys, readAt, keptSeconds).phases].map(([key, phase]) => ({
      kid: key.kid,
      algorithm: key.algorithm,
      phase,
      created_at: key.createdAt,
      signs_from: key.activeAt,
      signs_until: key.retiredAt,
      published_until: key.retiredAt && new Date(key.retiredAt.getTime() + keptSeconds * 1000),
    }));
    const from = after?.[0] ?? '';
    const sorted = rows.filter(({ kid }) => kid > from).sort((one, other) => (one.kid < other.kid ? -1 : 1));
    return { rows: sorted.slice(0, limit) };
  },
  positionOf: ({ kid }) => [kid],
};
