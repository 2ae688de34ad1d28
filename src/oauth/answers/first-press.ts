import type { Context } from 'koa';
import type { Answer } from '../../http/kept-answers.ts';
import { type Press, pressOf } from '../../http/presses.ts';
import type { Database } from '../../platform/database.ts';
import { writeLast } from '../store/unit-of-work.ts';

/**
 * Call it for a form with a valid token, before acting on it. The answer of a first press is stored in the commit of what it changes, so
 * either both exist or neither.
 * @returns the answer of an earlier press, to repeat; undefined when the caller must act on the form.
 */
export async function answeredBefore(ctx: Context, database: Database, press: Press): Promise<Answer | undefined> {
  const known = await pressOf(ctx, database, press);
  if ('answer' in known) return known.answer;
  const { keeping, kept } = known.first;
  writeLast((changed) => {
    const statement = changed ? keeping() : undefined;
    return statement && { purpose: 'keep', statement, written: kept };
  });
  return undefined;
}
