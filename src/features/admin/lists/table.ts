import { grants, tokens } from './access.ts';
import { auditEvents, hourlyCounts } from './audit.ts';
import { clients } from './clients.ts';
import { clientSecrets, sessions } from './held.ts';
import { keys } from './keys.ts';
import type { List } from './list.ts';
import { people } from './people.ts';
import { initialAccessTokens, resourceServers } from './registration.ts';

/** Every list that there is, by its name. */
export const LISTS = {
  people,
  clients,
  grants,
  tokens,
  keys,
  auditEvents,
  hourlyCounts,
  initialAccessTokens,
  resourceServers,
  sessions,
  clientSecrets,
};

export type ListName = keyof typeof LISTS;

/** Of whichever rows: readPage() gives them as they are. */
export const listNamed = (name: ListName): List => LISTS[name] as unknown as List;
