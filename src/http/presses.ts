import { setTimeout as sleep } from 'node:timers/promises';
import type { Context, Next } from 'koa';
import { type Database, isUnavailable } from '../platform/database.ts';
import { type Answer, answerOf, findKept, freePlace, KEPT_SECONDS, keeping, type Place, placeOf, takePlace } from './kept-answers.ts';

/**
 * Owns repeated presses of a button: the second press gets the answer of the first. A browser that sends a form twice drops the first
 * answer and shows the second. So the server acts on a form of one page once, and repeats its answer to the same browser. This works on
 * every node, while the first press is in progress and for a minute afterwards. An answer without any change, such as a refusal, is not
 * stored: the server computes it again.
 */

/** A form as the browser sent it. Its token names the page of the form (csrf.ts). */
export type Press = {
  /** Also identifies the browser: the value of a cookie of this server. */
  browser: string;
  form: URLSearchParams;
};

// The server works on one form for no longer than this. A process that died leaves its place reserved for this time.
const UNDER_WAY_SECONDS = 30;
const PATIENCE_MS = 10_000;
const LOOK_AGAIN_MS = 50;

/** Work in progress of this process, by place. */
const underWay = new WeakMap<Database, Map<string, Promise<Answer | undefined>>>();

/**
 * Ends a first press after its writes, so that waiting requests continue. This middleware runs outside the unit of work. A part that makes
 * others wait sets `ctx.state.endOfPress`; a part that changes something sets `ctx.state.pressChanged`.
 */
export async function endPresses(ctx: Context, next: Next): Promise<void> {
  try {
    await next();
  } catch (error) {
    await ctx.state.endOfPress?.(undefined);
    throw error;
  }
  await ctx.state.endOfPress?.(ctx.status < 400 && ctx.state.pressChanged ? answerOf(ctx) : undefined);
}

/**
 * Call it for a form with a valid token, before acting on it.
 * @returns the answer of the first press, to repeat; undefined for a first press, or after a refused one.
 */
export async function answeredBefore(ctx: Context, database: Database, press: Press): Promise<Answer | undefined> {
  const place = placeOfPress(ctx, press);
  const [ours, name] = [workOf(database), nameOf(place)];
  const first = ours.get(name);
  if (first) return first;
  const { promise, resolve } = Promise.withResolvers<Answer | undefined>();
  ours.set(name, promise);
  const end = (answer: Answer | undefined) => {
    ours.delete(name);
    resolve(answer);
    return answer;
  };
  try {
    if (!(await takePlace(database, place, UNDER_WAY_SECONDS))) return end(await awaitAnswer(database, place));
  } catch (error) {
    end(undefined);
    throw error;
  }
  ctx.state.endOfPress = async (answer: Answer | undefined) => {
    try {
      await (answer ? database.change(keeping([{ place, value: answer, seconds: KEPT_SECONDS }])) : freePlace(database, place));
    } catch (error) {
      // The press took effect, and this browser gets its answer. Only a repeated press is not recognized then.
      if (!isUnavailable(error)) throw error;
    } finally {
      end(answer);
    }
  };
  return undefined;
}

/**
 * The same for a form whose token is no longer valid because its subject has ended. Only the browser of the first press can send an equal
 * form.
 */
export async function answerToFirst(ctx: Context, database: Database, press: Press): Promise<Answer | undefined> {
  const place = placeOfPress(ctx, press);
  return workOf(database).get(nameOf(place)) ?? awaitAnswer(database, place);
}

/** Waits for a first press that another node is processing. */
async function awaitAnswer(database: Database, place: Place): Promise<Answer | undefined> {
  for (let waited = 0; waited < PATIENCE_MS; waited += LOOK_AGAIN_MS) {
    const kept = await findKept<Answer>(database, place);
    if (!kept || kept.value) return kept?.value;
    await sleep(LOOK_AGAIN_MS);
  }
  return undefined;
}

function workOf(database: Database): Map<string, Promise<Answer | undefined>> {
  const ours = underWay.get(database) ?? new Map();
  underWay.set(database, ours);
  return ours;
}

const placeOfPress = (ctx: Context, { browser, form }: Press) => placeOf('press', JSON.stringify([browser, ctx.path, String(form)]));

const nameOf = ({ id }: Place) => Buffer.from(id).toString('hex');
