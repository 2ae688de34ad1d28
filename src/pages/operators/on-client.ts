import { z } from 'zod';
import type { AuditEvent, EventType } from '../../audit/events.ts';
import { supported } from '../../http/language.ts';
import { composeLetter } from '../../http/letters.ts';
import { ownersToTell } from '../../oauth/clients/co-owners.ts';
import { displayName } from '../../oauth/clients/display-name.ts';
import { OWN_CLIENTS } from '../../oauth/clients/first-party.ts';
import { lockClient } from '../../oauth/clients/store.ts';
import { ADMIN_SCOPES, isStillAsPowerful, type Power, readPower } from '../../oauth/scopes/admin-scopes.ts';
import { systemClock } from '../../platform/clock.ts';
import { ConfigError } from '../../platform/config.ts';
import { isStorable, type Statement } from '../../platform/database.ts';
import { isMailAddress, mailLetter } from '../../platform/mail.ts';
import { mustFind } from '../../platform/sql-errors.ts';
import { type Actor, type Doing, done, type Outcome, recorded, refused } from './act.ts';

/**
 * Owns what all acts on a client have in common: it is there, it is none of this server's own, it is locked, and its owners hear of it. Whoever
 * gets a hold on a client can do what the client can: so nobody gives one who cannot do all of that.
 */

export const changedClient = z.object({ id: z.string() });
export type ChangedClient = z.infer<typeof changedClient>;

/** Does something to a client that is there, and tells of it. */
export async function doToClient(
  doing: Doing,
  id: string,
  statements: Statement[],
  event: Omit<AuditEvent, 'actorId' | 'clientId'>,
  { givesHold = false }: { givesHold?: boolean } = {},
): Promise<Outcome<ChangedClient>> {
  const { database, actor } = doing;
  if (OWN_CLIENTS.includes(id)) return refused('own_client');
  const power = isStorable(id) ? await readPower(database, id) : undefined;
  if (!power) return refused('unknown');
  if (givesHold && !isWithin(actor, power)) return refused('above');
  const guards = [mustFind(lockClient(id)), ...(givesHold ? [mustFind(isStillAsPowerful(id, power))] : [])];
  // Read before, so that an owner who is put out hears of it too.
  const letters = await lettersToOwners(doing, id, event.type);
  await database.transaction([...guards, ...statements, recorded(doing, { ...event, clientId: id }), ...letters]);
  return done({ id });
}

/** Whether who acts can do all that is listed. The scopes of ordinary APIs do not count: to look after clients is what `admin:clients` is for. */
export function isWithin({ may, services = [] }: Actor, power: Power): boolean {
  if (ADMIN_SCOPES.every((scope) => may.includes(scope))) return true;
  return power.scopes.every((scope) => may.includes(scope)) && power.services.every((service) => services.includes(service));
}

/** Who looks after a client hears what operators do to it. None, at a machine that is told no key to seal letters with. */
async function lettersToOwners(doing: Doing, id: string, type: EventType): Promise<Statement[]> {
  const owners = await ownersToTell(doing.database, id);
  if (!owners.length) return [];
  try {
    const { config, keyRing } = doing;
    return owners
      .filter(({ email }) => isMailAddress(email))
      .map(({ email, name, locale, app }) => {
        const values = { person: name, app: displayName(app ?? undefined, id), what: type, issuer: config.issuer, at: systemClock.now() };
        return mailLetter(keyRing, email, composeLetter(supported(locale ?? '') ?? 'en', 'client_operated', values));
      });
  } catch (error) {
    if (doing.actor.atTheMachine && error instanceof ConfigError) return [];
    throw error;
  }
}
