import { LIMITS, limitRate } from '../../../http/rate-limit.ts';
import { writeTogether } from '../../../oauth/store/unit-of-work.ts';
import { backTo, type OwnPage, recordOwnEvent } from '../../../pages/own-pages.ts';
import { Prisma } from '../../../platform/database.ts';
import { AppError } from '../../../platform/errors.ts';
import { ownClient, pathOf } from './owned.ts';
import { apisFor, tokenApi } from './token-api.ts';

/**
 * Owns the form that chooses the API of a client's tokens. Try it, Code and Preview have it. The choice changes nothing that a user sees of
 * the client's owner, so a verified client stays verified.
 */

// The pages with the form, to which it returns.
const PAGES = ['try', 'snippets', 'preview'];

export const chooseApi: OwnPage = {
  async show(visit) {
    backTo(visit, pathOf((await ownClient(visit)).id, '/try'), false);
  },

  /** `api` is the identifier of the API, and `page` the page to return to. */
  async submit(visit, form) {
    const client = await ownClient(visit);
    const { database } = visit.app;
    const api = form.get('api') ?? '';
    if (!apisFor(visit, client.metadata).some(({ identifier }) => identifier === api))
      throw new AppError('invalid_request', { status: 400, reason: 'unknown API' });
    const page = pathOf(client.id, `/${PAGES.find((name) => name === form.get('page')) ?? 'try'}`);
    if (tokenApi(visit, client).options.some(({ identifier, chosen }) => chosen && identifier === api)) return backTo(visit, page, false);
    await limitRate(database, LIMITS.clientChanges, visit.account.id);
    const changed = await writeTogether(database, [
      {
        purpose: 'keep',
        once: true,
        statement: Prisma.sql`
          update client set metadata = jsonb_set(metadata, '{resource}', to_jsonb(${api}::text)), updated_at = now()
          where id = ${client.id} and metadata->>'resource' is distinct from ${api}`,
      },
      { purpose: 'keep', statement: recordOwnEvent(visit, 'client_changed', { clientId: client.id, detail: { changes: ['resource'] } }) },
    ]);
    backTo(visit, page, changed);
  },
};
