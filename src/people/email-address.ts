import { domainToASCII, domainToUnicode } from 'node:url';
import { isMailAddress } from '../platform/mail.ts';
import { isDeceptive } from '../platform/visible-text.ts';

/** Owns when two e-mail addresses are one: an address has one form, in which it is stored and compared. */

/** As addresses were stored until a domain had one form too: those stay as they are, since apps know people by them. */
const folded = (email: string): string => email.normalize('NFKC').trim().toLowerCase();

/**
 * The one form of an address: no difference of case, width or composition, and the domain in A-labels, as DNS has it (RFC 5890 section 2.3.2.1). A domain
 * that is none in DNS stays as it is: emailProblem() refuses it.
 */
export function normalizeEmail(email: string): string {
  const { local, domain } = partsOf(folded(email));
  return `${local}${(isAscii(domain) ? '' : domainToASCII(domain)) || domain}`;
}

/**
 * Each form in which an account may have this address: as it was typed, the one form, and as a domain is read. All but the one form are those of
 * accounts from before there was one.
 */
export function spellingsOf(email: string): string[] {
  const { local, domain } = partsOf(normalizeEmail(email));
  const readable = domain.includes('xn--') ? folded(`${local}${domainToUnicode(domain)}`) : undefined;
  return [...new Set([folded(email), `${local}${domain}`, ...(readable ? [readable] : [])])];
}

export const isSameAddress = (one: string, other: string): boolean => normalizeEmail(one) === normalizeEmail(other);

/** The mailbox that an address leads to, for counting letters: most servers deliver `name+anything` to `name` (RFC 5233). */
export function mailboxOf(email: string): string {
  const { local, domain } = partsOf(normalizeEmail(email));
  return `${local.replace(/(?<=.)\+.*@$/, '@')}${domain}`;
}

/** Whether it is an address that people have: one whose host has a dot in it, and of which a reader sees each character. */
export function emailProblem(email: string): 'signup.email_problem' | undefined {
  const address = normalizeEmail(email);
  const { local, domain } = partsOf(address);
  const fine = isMailAddress(address) && domain.includes('.') && isAscii(domain) && !isDeceptive(local);
  return fine ? undefined : 'signup.email_problem';
}

/** The local part with its @, and the domain. */
function partsOf(email: string): { local: string; domain: string } {
  const at = email.lastIndexOf('@') + 1;
  return { local: email.slice(0, at), domain: email.slice(at) };
}

const isAscii = (text: string): boolean => /^\p{ASCII}*$/u.test(text);
