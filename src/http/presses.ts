import { setTimeout as sleep } from 'node:timers/promises';
import type { Context, Next } from 'koa';
import type { Database, Statement } from '../platform/database.ts';
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
 * others wait sets `ctx.state.endOfPress`.
 */
export async function endPresses(ctx: Context, next: Next): Promise<void> {
  try {
    await next();
  } finally {
    await ctx.state.endOfPress?.();
  }
}

/** A first press: the server acts on the form, and stores the answer in the same commit. See oauth/answers/first-press.ts. */
export type FirstPress = {
  /** @returns the statement that stores the answer as written so far; undefined for an answer that is not stored. */
  keeping(): Statement | undefined;
  /** Call it after the statement was committed. */
  kept(): void;
};

/**
 * Call it for a form with a valid token, before acting on it.
 * @returns the answer of an earlier press, to repeat. For a first press, or after a refused one: how to store its answer.
 */
export async function pressOf(ctx: Context, database: Database, press: Press): Promise<{ answer: Answer } | { first: FirstPress }> {
  const place = placeOfPress(ctx, press);
  const [ours, name] = [workOf(database), nameOf(place)];
  const before = ours.get(name);
  if (before) return repeat(await before);
  const { promise, resolve } = Promise.withResolvers<Answer | undefined>();
  ours.set(name, promise);
  const end = (answer?: Answer) => {
    ours.delete(name);
    resolve(answer);
  };
  try {
    if (!(await takePlace(database, place, UNDER_WAY_SECONDS))) {
      const answer = await awaitAnswer(database, place);
      end(answer);
      return repeat(answer);
    }
  } catch (error) {
    end();
    throw error;
  }
  let [answer, stored]: [Answer | undefined, boolean] = [undefined, false];
  ctx.state.endOfPress = async () => {
    try {
      if (!stored) await freePlace(database, place);
    } finally {
      end(stored ? answer : undefined);
    }
  };
  return {
    first: {
      keeping() {
        answer = ctx.status < 400 ? answerOf(ctx) : undefined;
        return answer && keeping([{ place, value: answer, seconds: KEPT_SECONDS }]);
      },
      kept() {
        stored = true;
      },
    },
  };
}

/** Without an answer, the press before was refused or its process died. Then the server acts on this one, and does not store its answer. */
const repeat = (answer: Answer | undefined) => (answer ? { answer } : { first: { keeping: () => undefined, kept() {} } });

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
