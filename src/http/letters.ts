import type { Letter } from '../platform/mail.ts';
import type { Language } from './language.ts';
import { compose, translate } from './render.ts';
import type { Visitor } from './visitor.ts';

/**
 * Owns what our mails say. Each tells who asked from where and when, and what to do if it was somebody else. The subject is a sentence of
 * ours alone, and a letter to an address that is not proven yet has no word in it that whoever asked could choose: nobody can
 * have us send their advertisement.
 */

/** What every letter tells. */
export type Occasion = {
  issuer: string;
  /** Not told of an operator. */
  visitor?: Pick<Visitor, 'address' | 'browser'>;
  at: Date;
};

/** A code to type and a link to open, each of which proves that its mail was read. */
type Proof = { code: string; link: string; minutes: number };

/** A link to say that a change was somebody else's, good for seven days: for letters to the address of before the change. */
type NotMe = { notMe: string };

/** An account's own name: for letters to an address that was proven to be that person's. */
type Own = { person: string };

export type Letters = {
  /** To an address somebody signs up with. */
  sign_up: Proof;
  /** The same, where there is an account already. */
  already_registered: Own;
  reset_password: Proof & Own;
  /** To somebody for whom an operator made an account: no page waits for a code. */
  account_made: Omit<Proof, 'code'> & Own;
  /** To an address that somebody wants to reset the password of, where there is no account. */
  no_account: object;
  /** To the account's own address, before a way in is added: a code alone, which counts in the browser that asked. */
  prove_mailbox: Omit<Proof, 'link'> & Own;
  /** To the new address. */
  change_email: Proof;
  /** To the old one. @param email the new one, of which the letter shows as much as its person knows it by. */
  email_changed: Own & NotMe & { email: string };
  password_changed: Own & NotMe;
  /** @param called what the person calls the factor; "added" recovery codes are a new set. */
  factor_changed: Own & NotMe & { factor: 'passkey' | 'totp' | 'recovery_codes'; change: 'added' | 'removed'; called?: string };
  deletion_scheduled: Own & NotMe & { until: Date };
  /** To a person whose account here and at a provider were linked, or are not any more. @param provider its name. */
  identity_changed: Own & NotMe & { provider: string; change: 'linked' | 'unlinked' };
  /** Somebody signed in from a browser that this account was not in before. */
  new_device: Own & NotMe;
  /** To who invited somebody to look after a client. @param app its name. @param invited the address that was invited. */
  owner_invited: Own & NotMe & { app: string; invited: string };
  /** To who invited them: they accepted. */
  owner_joined: Own & NotMe & { app: string; invited: string };
  /** To who made it. */
  client_secret_made: Own & NotMe & { app: string };
  /** After the link of such a letter was used: to the address that the account has again, and to the one that it had until then. */
  given_back: Own;
  /** To an address that somebody offers a client to. Which one, and who, is told to whoever signs in with it. */
  client_invitation: { link: string; days: number };
  /** To who looks after a client that an operator did something to. @param what the type of the event. */
  client_operated: Own & { app: string; what: string };
};

export type LetterName = keyof Letters;

/** Where a letter's person acts, when there is something to do at all. */
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

/** A letter, as text and as HTML. */
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

/** Label and value of what is known of the occasion. */
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

/** A letter has no reader's clock to go by: Korean ones tell the time of Korea, others the one that is the same everywhere, and say so. */
function timeIn(language: Language, time: Date): string {
  const timeZone = language === 'ko' ? 'Asia/Seoul' : 'UTC';
  const text = new Intl.DateTimeFormat(language, { dateStyle: 'long', timeStyle: 'short', timeZone }).format(time);
  return translate(language, 'mail.time', { time: text });
}

const LONGEST_NAME = 64;

/** A name as it may stand in a letter: on one line, in the direction of the line, and short. */
function oneLine(text: string): string {
  const plain = text
    .replace(/\p{Cf}|\p{Cs}/gu, '')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim();
  const characters = [...plain];
  return characters.length > LONGEST_NAME ? `${characters.slice(0, LONGEST_NAME).join('')}…` : plain;
}

/** `g…@people.example`: enough for whoever changed it, nothing for whoever reads along in the old mailbox. */
function hinted(email: string): string {
  const at = email.lastIndexOf('@');
  return `${[...email][0]}…${email.slice(at)}`;
}
