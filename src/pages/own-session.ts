import type { SignedInAt } from './door.ts';
import type { OwnSession } from './first-party.ts';

/** The full session of a visit to the account pages, which always use the issuer's door (door.ts). */
export const ownSession = ({ session }: Pick<SignedInAt, 'session'>): OwnSession => session as OwnSession;
