import { z } from 'zod';
import type { AuditEvent, EventType } from '../../audit/events.ts';
import { supported } from '../../http/language.ts';
import { composeLetter } from '../../http/letters.ts';
import { displayName } from '../../oauth/clients/display-name.ts';
import { OWN_CLIENTS } from '../../oauth/clients/first-party.ts';
import { ownersToTell } from '../../oauth/clients/owners.ts';
import { lockClient } from '../../oauth/clients/store.ts';
import { ADMIN_SCOPES, isStillAsPowerful, type Power, readPower } from '../../oauth/scopes/admin-scopes.ts';
import { systemClock } from '../../platform/clock.ts';
import { ConfigError } from '../../platform/config.ts';
import { isStorable, type Statement } from '../../platform/database.ts';
import { isMailAddress, mailLetter } from '../../platform/mail.ts';
import { mustFind } from '../../platform/sql-errors.ts';
import { type ActingApp, type Actor, done, type Outcome, recordActEvent, refused } from './act.ts';

/**
 * Owns what all acts on a client share. The client exists, is not one of the server's own, and is locked, and its owners are notified.
 * Control of a client includes all that the client can do. So only an actor who can do all of that may give control to others.
 */

export const changedClient = z.object({ id: z.string() });
export type ChangedClient = z.infer<typeof changedClient>;

/** Changes an existing client, writes the audit event and notifies the owners. */
export async function doToClient(
  app: ActingApp,
  id: string,
  statements: Statement[],
  event: Omit<AuditEvent, 'actorId' | 'clientId'>,
  { givesHold = false }: { givesHold?: boolean } = {},
): Promise<Outcome<ChangedClient>> {
  const { database, actor } = app;
  if (OWN_CLIENTS.includes(id)) return refused('own_client');
  const power = isStorable(id) ? await readPower(database, id) : undefined;
  if (!power) return refused('unknown');
  if (givesHold && !isWithin(actor, power)) return refused('above');
  const guards = [mustFind(lockClient(id)), ...(givesHold ? [mustFind(isStillAsPowerful(id, power))] : [])];
  // Read before the change, so that a removed owner is notified too.
  const letters = await lettersToOwners(app, id, event.type);
  await database.transaction([...guards, ...statements, recordActEvent(app, { ...event, clientId: id }), ...letters]);
  return done({ id });
}

/** Whether the actor can do all that is listed. Scopes of ordinary APIs do not count: `admin:clients` exists to manage clients. */
export function isWithin({ may, services = [] }: Actor, power: Power): boolean {
  if (ADMIN_SCOPES.every((scope) => may.includes(scope))) return true;
  return power.scopes.every((scope) => may.includes(scope)) && power.services.every((service) => services.includes(service));
}

/** Mails to the client's owners about an operator's act. Empty for a command on a machine that lacks the encryption keys for mail. */
async function lettersToOwners(app: ActingApp, id: string, type: EventType): Promise<Statement[]> {
  const owners = await ownersToTell(app.database, id);
  if (!owners.length) return [];
  try {
    const { config, keyRing } = app;
    return owners
      .filter(({ email }) => isMailAddress(email))
      .map(({ email, name, locale, app: called }) => {
        const values = {
          person: name,
          app: displayName(called ?? undefined, id),
          what: type,
          issuer: config.issuer,
          at: systemClock.now(),
        };
        return mailLetter(keyRing, email, composeLetter(supported(locale ?? '') ?? 'en', 'client_operated', values));
      });
  } catch (error) {
    if (app.actor.atTheMachine && error instanceof ConfigError) return [];
    throw error;
  }
}
