import { type OwnPage, show } from '../authorization-server/own-pages.ts';
import { allowedTo } from '../authorization-server/permissions.ts';

/** The way in: what there is to look after. */
export const overview: OwnPage = {
  async show(visit) {
    show(visit, 'admin/overview', { may: allowedTo(visit.account.role) });
  },
};
