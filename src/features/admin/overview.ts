import { languageOf } from '../../http/language.ts';
import { displayName } from '../../oauth/clients/display-name.ts';
import { pathOfClient } from '../../pages/operators/paths.ts';
import { type OwnPage, show } from '../../pages/own-pages.ts';
import { findAttention } from './attention.ts';
import { drawCharts } from './charts.ts';

/** Owns the first page of administration: what needs attention, and the charts. */
export const overview: OwnPage = {
  /** `span=days` in the query shows a month instead of a day. */
  async show(visit) {
    const { ctx, app } = visit;
    const span = ctx.query['span'] === 'days' ? 'days' : 'hours';
    const [drawn, attention] = await Promise.all([drawCharts(app.database, span, languageOf(ctx)), findAttention(app.database)]);
    const called = <Client extends { id: string; name: string | null }>(client: Client) => ({
      ...client,
      name: displayName(client.name ?? undefined, client.id),
      path: pathOfClient(client.id),
    });
    show(visit, 'admin/overview', {
      ...drawn,
      span,
      attention: { ...attention, suspended: attention.suspended.map(called), unverified: attention.unverified?.map(called) },
    });
  },
};
