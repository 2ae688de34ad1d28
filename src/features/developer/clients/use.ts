import { countPeople } from '../../../oauth/store/grants.ts';
import type { OwnPage } from '../../../pages/own-pages.ts';
import { useOfClient } from './client-use.ts';
import { ownClient } from './owned.ts';
import { showClient } from './page.ts';

/** Owns the page of a client's usage. It shows counts only: the owner must not learn who the users are. */
export const use: OwnPage = {
  async show(visit) {
    const client = await ownClient(visit);
    const { database } = visit.app;
    const [people, { tokens, used_at, weeks }] = await Promise.all([countPeople(database, client.id), useOfClient(database, client.id)]);
    showClient(visit, client, 'use', { people, tokens, usedAt: used_at, weeks });
  },
};
