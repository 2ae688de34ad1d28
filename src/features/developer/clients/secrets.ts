import { LIMITS, limitRate } from '../../../http/rate-limit.ts';
import type { ClientRecord } from '../../../oauth/clients/inspection.ts';
import { endSecret, type LiveSecret, labelSecret, listLiveSecrets } from '../../../oauth/clients/live-secrets.ts';
import { lockClient } from '../../../oauth/clients/owners.ts';
import { hasSecret } from '../../../oauth/clients/secrets.ts';
import { writeTogether } from '../../../oauth/store/unit-of-work.ts';
import { alarm, backTo, kept, type OwnPage, recordOwnEvent, type Visit } from '../../../pages/own-pages.ts';
import { HOUR, MINUTE } from '../../../platform/clock.ts';
import { randomSecret } from '../../../platform/secrets.ts';
import { isBlank, isDeceptive } from '../../../platform/visible-text.ts';
import { nameOf, ownClient, pathOf } from './owned.ts';
import { showClient } from './page.ts';
import { addLiveSecret, dropEndedSecrets, endOtherSecrets, MAX_LIVE_SECRETS } from './rotation.ts';
import { answerFile, type ShownSecret, showSecret } from './shown-secret.ts';

/** Owns a client's secrets as its owner sees them: in full once, then only by the first and last characters. */

const MOST_HOURS = 168;
const USUAL_HOURS = 24;
const MAX_LABEL = 60;

export const secrets: OwnPage = {
  recent: true,

  async show(visit) {
    await page(visit, await ownClient(visit));
  },

  async submit(visit, form) {
    const client = await ownClient(visit);
    const action = form.get('action') ?? '';
    if (!hasSecret(client.metadata)) return page(visit, client, 'developer.secrets.none_here');
    if (action === 'file') {
      if (!answerFile(visit, client.id, form.get('sealed') ?? '')) await page(visit, client, 'developer.secrets.file_gone');
      return;
    }
    if (action === 'end') return end(visit, client, form.get('secret') ?? '');
    const label = labelIn(form);
    if (label === undefined) return page(visit, client, 'developer.secrets.label_wrong');
    if (action === 'label') return relabel(visit, client, form.get('secret') ?? '', label);
    return make(visit, client, form.get('overlap') ?? '', label);
  },
};

/** @returns null for no label, and undefined for one that cannot be shown on one line. */
function labelIn(form: URLSearchParams): string | null | undefined {
  const label = (form.get('label') ?? '').trim();
  if (!label) return null;
  return [...label].length <= MAX_LABEL && !isDeceptive(label) && !isBlank(label) ? label : undefined;
}

async function relabel(visit: Visit, client: ClientRecord, name: string, label: string | null): Promise<void> {
  await limitRate(visit.app.database, LIMITS.clientChanges, visit.account.id);
  const statement = labelSecret(client.id, name, label);
  const changed =
    statement !== undefined &&
    (await writeTogether(visit.app.database, [
      { purpose: 'keep', once: true, statement },
      {
        purpose: 'keep',
        statement: recordOwnEvent(visit, 'client_changed', { clientId: client.id, detail: { changes: ['secret_label'] } }),
      },
    ]));
  if (!changed) return page(visit, client, 'developer.secrets.gone');
  backTo(visit, pathOf(client.id, '/secrets'));
}

async function make(visit: Visit, client: ClientRecord, overlap: string, label: string | null): Promise<void> {
  const { account, app } = visit;
  // Without an earlier secret, the form has no overlap field.
  const hours = overlap === '' ? USUAL_HOURS : Number(overlap);
  if (!/^\d{0,3}$/.test(overlap) || hours > MOST_HOURS) return page(visit, client, 'developer.secrets.overlap_wrong');
  await limitRate(app.database, LIMITS.secretsOfAccount, account.id);
  const secret = randomSecret();
  const made = await writeTogether(app.database, [
    { purpose: 'keep', apart: true, statement: lockClient(client.id) },
    { purpose: 'keep', statement: dropEndedSecrets(client.id) },
    { purpose: 'keep', once: true, statement: addLiveSecret(client.id, secret, account.id, label) },
    { purpose: 'keep', statement: endOtherSecrets(client.id, secret, hours * HOUR) },
    { purpose: 'keep', statement: recordOwnEvent(visit, 'client_secret_made', { clientId: client.id, detail: { overlapHours: hours } }) },
    ...kept(alarm(visit, 'client_secret_made', 'client_secret_made', { app: nameOf(client) })),
  ]);
  if (!made) return page(visit, client, 'developer.secrets.too_many');
  await page(visit, client, undefined, showSecret(visit, client.id, secret));
}

async function end(visit: Visit, client: ClientRecord, name: string): Promise<void> {
  const ending = endSecret(client.id, name);
  const ended =
    ending !== undefined &&
    (await writeTogether(visit.app.database, [
      { purpose: 'keep', once: true, statement: ending },
      { purpose: 'keep', statement: recordOwnEvent(visit, 'client_secret_ended', { clientId: client.id }) },
    ]));
  if (!ended) return page(visit, client, 'developer.secrets.gone');
  backTo(visit, pathOf(client.id, '/secrets'));
}

/** @param shown the secret just created: only this page shows it. */
async function page(visit: Visit, client: ClientRecord, problem?: string, shown?: ShownSecret): Promise<void> {
  const live = hasSecret(client.metadata) ? await listLiveSecrets(visit.app.database, client.id) : [];
  showClient(visit, client, 'secrets', {
    at: pathOf(client.id, '/secrets'),
    confidential: hasSecret(client.metadata),
    live: live.map((secret) => ({ ...secret, left: left(secret) })),
    most: MAX_LIVE_SECRETS,
    usual: USUAL_HOURS,
    longest: MOST_HOURS,
    longestLabel: MAX_LABEL,
    values: { most: MAX_LIVE_SECRETS, longest: MOST_HOURS, label: MAX_LABEL },
    ...shown,
    ...(problem === undefined ? undefined : { problem }),
  });
}

/** @returns the time left, in a unit that suits the reader; undefined for a secret that does not expire. */
export function left({ secondsLeft }: LiveSecret): { key: string; number: number } | undefined {
  if (secondsLeft === null) return undefined;
  return secondsLeft > 2 * HOUR
    ? { key: 'developer.secrets.hours_left', number: Math.round(secondsLeft / HOUR) }
    : { key: 'developer.secrets.minutes_left', number: Math.max(1, Math.round(secondsLeft / MINUTE)) };
}
