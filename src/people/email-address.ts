import { domainToASCII, domainToUnicode } from 'node:url';
import { isMailAddress } from '../platform/mail.ts';
import { isDeceptive } from '../platform/visible-text.ts';

/** Owns when two e-mail addresses are equal: each address has one form, in which it is stored and compared. */

/** The older stored form, before domains were normalized. Such accounts keep it, because clients identify their users by it. */
const folded = (email: string): string => email.normalize('NFKC').trim().toLowerCase();

/**
 * @returns the one form of an address, independent of case, width and composition. Its domain is in A-labels, as in DNS (RFC 5890 section
 * 2.3.2.1). A domain that is invalid in DNS does not change; emailProblem() refuses it.
 */
export function normalizeEmail(email: string): string {
  const { local, domain } = partsOf(folded(email));
  return `${local}${(isAscii(domain) ? '' : domainToASCII(domain)) || domain}`;
}

/**
 * All forms in which an account may have this address: as typed, the one form, and with a readable domain. Only accounts from before
 * normalization have a form other than the one form.
 */
export function spellingsOf(email: string): string[] {
  const { local, domain } = partsOf(normalizeEmail(email));
  const readable = domain.includes('xn--') ? folded(`${local}${domainToUnicode(domain)}`) : undefined;
  return [...new Set([folded(email), `${local}${domain}`, ...(readable ? [readable] : [])])];
}

export const isSameAddress = (one: string, other: string): boolean => normalizeEmail(one) === normalizeEmail(other);

/** The mailbox of an address, for counting mails: most servers deliver `name+anything` to `name` (RFC 5233). */
export function mailboxOf(email: string): string {
  const { local, domain } = partsOf(normalizeEmail(email));
  return `${local.replace(/(?<=.)\+.*@$/, '@')}${domain}`;
}

/** Checks an address that a user entered: its host needs a dot, and a reader must see each character. */
export function emailProblem(email: string): 'signup.email_problem' | undefined {
  const address = normalizeEmail(email);
  const { local, domain } = partsOf(address);
  const fine = isMailAddress(address) && domain.includes('.') && isAscii(domain) && !isDeceptive(local);
  return fine ? undefined : 'signup.email_problem';
}

/** The local part including @, and the domain. */
function partsOf(email: string): { local: string; domain: string } {
  const at = email.lastIndexOf('@') + 1;
  return { local: email.slice(0, at), domain: email.slice(at) };
}

const isAscii = (text: string): boolean => /^\p{ASCII}*$/u.test(text);
