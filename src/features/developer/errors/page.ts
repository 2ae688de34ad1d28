import type { OwnPage } from '../../../pages/own-pages.ts';
import { ownClient } from '../clients/owned.ts';
import { showClient } from '../clients/page.ts';
import { type ClientError, listClientErrors, SENDERS } from './client-errors.ts';
import { causeOf, isUnsureCure } from './error-causes.ts';

/** Owns the page of a client's recent errors, each with its cause and what to do. */

export const clientErrors: OwnPage = {
  async show(visit) {
    const client = await ownClient(visit);
    const errors = await listClientErrors(visit.app.database, client.id);
    const groups = SENDERS.map((sender) => ({
      sender,
      own: sender === 'client',
      byBrowser: sender === 'browser',
      errors: errors.filter((error) => error.sender === sender).map(described),
    }));
    showClient(visit, client, 'errors', { groups: groups.filter((group) => group.errors.length) });
  },
};

function described(error: ClientError): Record<string, unknown> {
  const { redirect_uri, nearest, auth_method, registered_auth_method, reason, ...sent } = error.detail;
  const cause = causeOf(error);
  return {
    ...error,
    cause,
    unsure: cause && error.sender !== 'client' && isUnsureCure(cause) ? { [cause]: true } : undefined,
    received: nearest === undefined ? undefined : redirect_uri,
    nearest,
    methods: cause === 'auth_method' ? { sent: auth_method, registered: registered_auth_method } : undefined,
    // The server's own text, for a cause without a sentence.
    said: cause ? undefined : [error.description, reason].filter(Boolean).join(': '),
    sent: Object.entries({ ...(nearest === undefined && redirect_uri ? { redirect_uri } : undefined), ...sent }),
  };
}
