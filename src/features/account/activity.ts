import { listEvents } from '../../audit/events.ts';
import { languageOf } from '../../http/language.ts';
import { type OwnPage, show } from '../../pages/own-pages.ts';

/** Owns the list of events of an account, for its user. */

const A_PAGE = 20;

export const activity: OwnPage = {
  /** `before` in the query is the id at which the previous page ended. */
  async show(visit) {
    const { account, ctx, app } = visit;
    const before = ctx.query['before'];
    const events = await listEvents(app.database, account.id, {
      before: typeof before === 'string' ? before : undefined,
      limit: A_PAGE + 1,
      language: languageOf(ctx),
    });
    const shown = events.slice(0, A_PAGE);
    show(visit, 'account/activity', {
      events: shown,
      next: events.length > A_PAGE ? shown.at(-1)?.id : undefined,
      first: before === undefined,
    });
  },
};
