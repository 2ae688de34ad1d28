import type { Problem } from '../../../http/problem.ts';
import type { ClientRecord } from '../../../oauth/clients/inspection.ts';
import { backTo, type OwnPage, type Visit } from '../../../pages/own-pages.ts';
import { cure, cureOf } from '../clients/cures.ts';
import { type OwnClient, ownClient, pathOf } from '../clients/owned.ts';
import { showClient } from '../clients/page.ts';
import { type ClientError, listClientErrors, SENDERS } from './client-errors.ts';
import { causeOf, isUnsureCure } from './error-causes.ts';

/** Owns the page of a client's recent errors, each with its cause and what to do. */

export const clientErrors: OwnPage = {
  async show(visit) {
    await page(visit, await ownClient(visit));
  },

  /** `error` is the id of a recorded error, and `act` its cure. */
  async submit(visit, form) {
    const client = await ownClient(visit);
    const problems = await cure(visit, client, form.get('error') ?? '', form.get('act') ?? '');
    if (problems === undefined) return page(visit, client, 'developer.errors.cure_gone');
    if (problems.length) return page(visit, await ownClient(visit), 'developer.problems', problems);
    backTo(visit, pathOf(client.id, '/errors'));
  },
};

async function page(visit: Visit, client: OwnClient, problem?: string, wrong: Problem[] = []): Promise<void> {
  const errors = await listClientErrors(visit.app.database, client.id);
  const groups = SENDERS.map((sender) => ({
    sender,
    own: sender === 'client',
    byBrowser: sender === 'browser',
    errors: errors.filter((error) => error.sender === sender).map((error) => described(visit, client, error)),
  }));
  showClient(visit, client, 'errors', {
    at: pathOf(client.id),
    groups: groups.filter((group) => group.errors.length),
    wrong,
    ...(problem && { problem }),
  });
}

/** @returns an error as views/developer/error.eta shows it: cause, advice, and the change that cures it by one press. */
export function described(visit: Visit, client: ClientRecord, error: ClientError): Record<string, unknown> {
  const { redirect_uri, nearest, auth_method, registered_auth_method, reason, ...sent } = error.detail;
  const cause = causeOf(error);
  return {
    ...error,
    cause,
    press: cureOf(visit, client, error),
    unsure: cause && error.sender !== 'client' && isUnsureCure(cause) ? { [cause]: true } : undefined,
    received: nearest === undefined ? undefined : redirect_uri,
    nearest,
    methods: cause === 'auth_method' ? { sent: auth_method, registered: registered_auth_method } : undefined,
    // The server's own text, for a cause without a sentence.
    said: cause ? undefined : [error.description, reason].filter(Boolean).join(': '),
    sent: Object.entries({ ...(nearest === undefined && redirect_uri ? { redirect_uri } : undefined), ...sent }),
  };
}
