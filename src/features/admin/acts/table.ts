import * as access from './access.ts';
import type { Act } from './act.ts';
import * as clients from './clients.ts';
import * as keys from './keys.ts';
import * as owners from './owners.ts';
import * as people from './people.ts';
import * as registration from './registration.ts';

/** Every act that there is, by its name. */
export const ACTS = { ...people, ...clients, ...owners, ...access, ...keys, ...registration };

export type ActName = keyof typeof ACTS;

/** Of whichever input: perform() judges what it is given. */
export const actNamed = (name: ActName): Act => ACTS[name] as unknown as Act;
