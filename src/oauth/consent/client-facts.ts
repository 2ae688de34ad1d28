import type { Client } from 'oidc-provider';
import type { Language } from '../../http/language.ts';
import { DAY, epochSeconds } from '../../platform/clock.ts';
import { nameOfClient, pagesOfClient, readableHost } from '../clients/display-name.ts';
import { isLoopback, leadsToDevice } from '../clients/redirect-uri.ts';

/** Owns what the consent page tells of the client: only what we know, or whose word it is. */

export type ClientFacts = {
  name: string;
  /** Drawn by us where there is no logo. */
  initial: string;
  /**
   * Path of its logo, from our own origin: a picture from elsewhere would tell its owner who is looking. It is the app's word, like its name,
   * so the page says beside it whether the publisher is verified.
   */
  logo: string | undefined;
  /** Who an operator found behind it. */
  publisher: string | undefined;
  selfRegistered: boolean;
  /** Whole days since it was registered. */
  days: number;
  registeredAt: Date;
  /** A number that more people than this use it, or none that is worth telling. */
  morePeopleThan: number;
  policyUri: string | undefined;
  tosUri: string | undefined;
};

/** @param logo path of its logo, as logosOf() finds it. @param people how many grants there are, counted up to the last of STEPS. @param language the reader's. */
export function describeClient(client: Client, logo: string | undefined, people: number, now: Date, language: Language): ClientFacts {
  const name = nameOfClient(client, language);
  const registered = Number(client['registered_at'] ?? client.clientIdIssuedAt ?? epochSeconds(now));
  return {
    name,
    initial: initialOf(name),
    logo,
    publisher: client['publisher'] as string | undefined,
    selfRegistered: registeredItself(client),
    days: Math.max(0, Math.floor((epochSeconds(now) - registered) / DAY)),
    registeredAt: new Date(registered * 1000),
    morePeopleThan: STEPS.findLast((step) => people >= step) ?? 0,
    ...pagesOfClient(client, language),
  };
}

/** An app that a developer made in the portal is described by its owner instead. */
export function registeredItself(client: Client): boolean {
  return client['dynamically_registered'] === true && !(client['owners'] as string[] | undefined)?.length;
}

// Coarse, so that the number says how known an app is, and nothing of one person who joins or leaves.
const STEPS = [10, 50, 100, 500, 1_000];

/** No more than this many people are counted. */
export const PEOPLE_COUNTED = STEPS.at(-1) as number;

/** The first letter that a person sees, whole. */
export function initialOf(name: string): string {
  const [first] = new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(name);
  return first?.segment.toUpperCase() ?? '';
}

export type Destination = {
  /** As it is registered: what a browser shows when it gets there. */
  exact: string;
  /** As its owner writes it, where that cannot be mistaken. */
  readable: string | undefined;
  /** To an app on the user's own device, which any app may pass for. */
  onDevice: boolean;
  /** To the computer of the web client's developer. */
  development: boolean;
};

/** Where the answer goes. @param redirectUri one that was checked; undefined when a device waits for the answer. */
export function describeDestination(redirectUri: unknown, { applicationType }: Pick<Client, 'applicationType'>): Destination | undefined {
  if (typeof redirectUri !== 'string') return undefined;
  const { protocol, host } = new URL(redirectUri);
  const web = protocol === 'https:' || protocol === 'http:';
  const development = applicationType !== 'native' && isLoopback(redirectUri);
  return {
    exact: web ? host : protocol,
    readable: web ? readableHost(host) : undefined,
    onDevice: !development && leadsToDevice(redirectUri),
    development,
  };
}
