import { setTimeout as sleep } from 'node:timers/promises';
import type { Context, Next } from 'koa';
import { type Database, isUnavailable } from '../platform/database.ts';
import { type Answer, answerOf, findKept, freePlace, KEPT_SECONDS, keeping, type Place, placeOf, takePlace } from './kept-answers.ts';

/**
 * Owns that a second press of a button leads where the first did. A browser that sends a form twice abandons the first answer, and shows the
 * second: so a form of one page, sent again by the same browser, is not acted on again, and gets the answer of the first. That holds while the
 * first is under way, on whichever node, and for a minute afterwards. What changed nothing, such as a refusal, is not kept: it is found out again.
 */

/** A form as it was sent. The token that it carries names the very page that it stood on (csrf.ts). */
export type Press = {
  /** What else names the browser: the value of a cookie of ours. */
  browser: string;
  form: URLSearchParams;
};

// Nobody is at work on one form for longer. A process that died leaves its place taken for so long.
const UNDER_WAY_SECONDS = 30;
const PATIENCE_MS = 10_000;
const LOOK_AGAIN_MS = 50;

/** By place, what this process is at work on. */
const underWay = new WeakMap<Database, Map<string, Promise<Answer | undefined>>>();

/**
 * Ends a first press when its writes are done: requests that wait for it go on. This middleware stands before the unit of work.
 * A part that has others wait sets `ctx.state.endOfPress`; a part that changes something sets `ctx.state.pressChanged`.
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
 * Call it for a form that is known to be ours, before acting on it.
 * @returns the answer that the first press got, to be given again; undefined for a first press, or after one that was refused.
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
      // It was acted on, and this browser hears so. A second press is then on its own.
      if (!isUnavailable(error)) throw error;
    } finally {
      end(answer);
    }
  };
  return undefined;
}

/** The same for a form that is not known to be ours any more, since what it was about has ended. Only who sent the first can send its like. */
export async function answerToFirst(ctx: Context, database: Database, press: Press): Promise<Answer | undefined> {
  const place = placeOfPress(ctx, press);
  return workOf(database).get(nameOf(place)) ?? awaitAnswer(database, place);
}

/** Waits for a first press that another node is at work on. */
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
