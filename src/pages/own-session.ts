import type { SignedInAt } from './door.ts';
import type { OwnSession } from './first-party.ts';

/** The session of a visit to the account's pages, whole: they stand behind the issuer's own door alone (own-pages/door.ts). */
export const ownSession = ({ session }: Pick<SignedInAt, 'session'>): OwnSession => session as OwnSession;
