import { findClientRecord } from '../oauth/clients/inspection.ts';
import { countPeople, findGrant } from '../oauth/store/grants.ts';
import { type Database, isStorable } from '../platform/database.ts';
import { quoted } from './terminal.ts';

/** Owns what a question says of its target beside the summary of the act, so that the operator sees what they would lose. */

/** @returns a few words; undefined where there is nothing to add. @throws Error where the target does not exist. */
export async function lossOf(database: Database, noun: string, verb: string, target: string): Promise<string | undefined> {
  if (noun === 'clients') return lossOfClient(database, verb, target);
  if (noun !== 'grants') return undefined;
  const grant = isStorable(target) ? await findGrant(database, target) : undefined;
  if (!grant) throw new Error(`there is no grant ${quoted(target)}`);
  return `to client ${grant.client_id}`;
}

async function lossOfClient(database: Database, verb: string, target: string): Promise<string> {
  const client = isStorable(target) ? await findClientRecord(database, target) : undefined;
  if (!client) throw new Error(`there is no client ${quoted(target)}`);
  const name = quoted(client.metadata['client_name'] ?? '');
  if (verb !== 'delete') return name;
  const users = await countPeople(database, target);
  return `${name}, with which ${users === 1 ? '1 user loses' : `${users} users lose`} access for good`;
}
