import type { Letter } from '../platform/mail.ts';
import type { Language } from './language.ts';
import { compose, translate } from './render.ts';
import type { Visitor } from './visitor.ts';

/**
 * Owns the texts of mails. Each says from where and when the request came, and what to do if somebody else made it. The subject contains
 * only the server's own words. A mail to an unproven address contains no text that the requester chose, so nobody can send advertisements
 * through this server.
 */

/** What every mail states. */
export type Occasion = {
  issuer: string;
  /** Absent when an operator acted. */
  visitor?: Pick<Visitor, 'address' | 'browser'>;
  at: Date;
};

/** A code to type and a link to open. Each proves that the mail was read. */
type Proof = { code: string; link: string; minutes: number };

/**
 * A link to report that somebody else made a change, valid for seven days. It goes to the address that the account had before the change.
 */
type NotMe = { notMe: string };

/** The account's name, for mails to an address that is proven to be that user's. */
type Own = { person: string };

export type Letters = {
  /** To an address used for a sign-up. */
  sign_up: Proof;
  /** The same, when an account with this address exists. */
  already_registered: Own;
  reset_password: Proof & Own;
  /** To a user for whom an operator created an account: no page waits for a code. */
  account_made: Omit<Proof, 'code'> & Own;
  /** To an address without an account, for which somebody requested a password reset. */
  no_account: object;
  /** To the account's address, before a sign-in method is added. It has a code only, valid in the browser that requested it. */
  prove_mailbox: Omit<Proof, 'link'> & Own;
  /** To the new address. */
  change_email: Proof;
  /** To the old address. @param email the new one, shown in part, so that its owner recognizes it. */
  email_changed: Own & NotMe & { email: string };
  password_changed: Own & NotMe;
  /** @param called the user's name for the factor. "added" recovery codes are a new set. */
  factor_changed: Own & NotMe & { factor: 'passkey' | 'totp' | 'recovery_codes'; change: 'added' | 'removed'; called?: string };
  deletion_scheduled: Own & NotMe & { until: Date };
  /** To a user whose account was linked to, or unlinked from, an account at a provider. @param provider its name. */
  identity_changed: Own & NotMe & { provider: string; change: 'linked' | 'unlinked' };
  /** The account was signed in to from a new browser. */
  new_device: Own & NotMe;
  /** To the user who invited somebody to manage a client. @param app its name. @param invited the invited address. */
  owner_invited: Own & NotMe & { app: string; invited: string };
  /** To the user who sent the invitation, after it was accepted. */
  owner_joined: Own & NotMe & { app: string; invited: string };
  /** To the user who created the secret. */
  client_secret_made: Own & NotMe & { app: string };
  /** After somebody used the link in such a mail: to the account's restored address and to the address it had until then. */
  given_back: Own;
  /** To the invited address. The client and the inviting user are shown only after sign-in with it. */
  client_invitation: { link: string; days: number };
  /** To the owners of a client that an operator changed. @param what the type of the event. */
  client_operated: Own & { app: string; what: string };
};

export type LetterName = keyof Letters;

/** The page where the recipient can act, if any action is possible. */
const PAGES: { [Name in LetterName]?: string } = {
  already_registered: '/account',
  email_changed: '/account',
  password_changed: '/account',
  factor_changed: '/account',
  deletion_scheduled: '/account',
  identity_changed: '/account',
  new_device: '/account',
  given_back: '/account',
  owner_invited: '/developer',
  owner_joined: '/developer',
  client_secret_made: '/developer',
  client_operated: '/developer',
};

/** @returns a mail as text and as HTML. */
export function composeLetter<Name extends LetterName>(language: Language, name: Name, values: Letters[Name] & Occasion): Letter {
  const known: Partial<Proof> & Record<string, unknown> & Occasion = { ...values };
  const t = (key: string, more: Record<string, string> = {}) => translate(language, `mail.${name}.${key}`, more);
  const { factor, change, notMe } = known as { factor?: string; change?: string; notMe?: string };
  const page = PAGES[name];
  const choice = { factor: factor ?? '', change: change ?? '' };
  const content = {
    subject: t('subject', choice),
    lead: t('lead', {
      ...choice,
      minutes: String(known.minutes ?? ''),
      days: String(known['days'] ?? ''),
      until: known['until'] instanceof Date ? timeIn(language, known['until']) : '',
    }),
    notYou: notMe === undefined ? t('not_you', choice) : translate(language, 'mail.not_me.text'),
    notMe,
    notMeLabel: notMe && translate(language, 'mail.not_me.link'),
    code: known.code,
    minutes: known.minutes,
    link: known.link ?? (page && known.issuer + page),
    linkLabel: known.link || page ? t('link') : undefined,
    facts: facts(language, known),
    issuer: known.issuer,
  };
  return {
    language,
    subject: content.subject,
    text: `${compose(language, 'mail/text', content).trim()}\n`,
    html: compose(language, 'mail/html', content),
  };
}

/** @returns label and value of each known fact. */
function facts(language: Language, { visitor, at, ...known }: Occasion & Record<string, unknown>): [label: string, value: string][] {
  const { person, called, email, provider, app, invited, what } = known as Partial<Record<string, string>>;
  const t = (key: string) => translate(language, `mail.fact.${key}`);
  return [
    ...(person ? [[t('account'), oneLine(person)] as [string, string]] : []),
    ...(called ? [[t('called'), oneLine(called)] as [string, string]] : []),
    ...(provider ? [[t('provider'), oneLine(provider)] as [string, string]] : []),
    ...(app ? [[t('app'), oneLine(app)] as [string, string]] : []),
    ...(invited ? [[t('invited'), oneLine(invited)] as [string, string]] : []),
    ...(email ? [[t('new_email'), hinted(oneLine(email))] as [string, string]] : []),
    ...(what ? [[t('what'), translate(language, `activity.${what}`)] as [string, string]] : []),
    [t('time'), timeIn(language, at)],
    ...(visitor
      ? [
          [t('browser'), visitor.browser ? oneLine(visitor.browser) : t('unknown')] as [string, string],
          [t('network'), visitor.address || t('unknown')] as [string, string],
        ]
      : []),
  ];
}

/** A mail cannot know its reader's time zone. Korean mails use the time of Korea, others UTC, and each names its zone. */
function timeIn(language: Language, time: Date): string {
  const timeZone = language === 'ko' ? 'Asia/Seoul' : 'UTC';
  const text = new Intl.DateTimeFormat(language, { dateStyle: 'long', timeStyle: 'short', timeZone }).format(time);
  return translate(language, 'mail.time', { time: text });
}

const LONGEST_NAME = 64;

/** A name as a mail may show it: on one line, without direction changes, and short. */
function oneLine(text: string): string {
  const plain = text
    .replace(/\p{Cf}|\p{Cs}/gu, '')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim();
  const characters = [...plain];
  return characters.length > LONGEST_NAME ? `${characters.slice(0, LONGEST_NAME).join('')}…` : plain;
}

/** `g…@people.example`: enough for the user who changed it, useless to anyone who reads the old mailbox. */
function hinted(email: string): string {
  const at = email.lastIndexOf('@');
  return `${[...email][0]}…${email.slice(at)}`;
}
