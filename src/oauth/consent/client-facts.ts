import type { Client } from 'oidc-provider';
import type { Language } from '../../http/language.ts';
import { DAY, epochSeconds } from '../../platform/clock.ts';
import { nameOfClient, pagesOfClient, readableHost } from '../clients/display-name.ts';
import { isLoopback, leadsToDevice } from '../clients/redirect-uri.ts';

/** Owns what the consent page says about the client. The page states what this server knows, and names the source of anything else. */

export type ClientFacts = {
  name: string;
  /** Drawn by this server when there is no logo. */
  initial: string;
  /**
   * Path of the logo on this server's origin. A picture from another origin would tell that origin who is looking.
   * The logo is the app's own claim, like its name. So the page says beside it whether the publisher is verified.
   */
  logo: string | undefined;
  /** The publisher that an operator verified. */
  publisher: string | undefined;
  selfRegistered: boolean;
  /** Whole days since the client was registered. */
  days: number;
  registeredAt: Date;
  /** More users than this number use the client. 0 when the number is too small to show. */
  morePeopleThan: number;
  policyUri: string | undefined;
  tosUri: string | undefined;
};

/**
 * @param logo path of its logo, as logosOf() finds it.
 * @param people number of grants, counted up to the last of STEPS.
 * @param language of the reader.
 */
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

/** False for an app that a developer created in the portal: the page names its owner instead. */
export function registeredItself(client: Client): boolean {
  return client['dynamically_registered'] === true && !(client['owners'] as string[] | undefined)?.length;
}

// Coarse steps show how widely an app is used. They do not reveal that one user joined or left.
const STEPS = [10, 50, 100, 500, 1_000];

/** The count of users stops at this number. */
export const PEOPLE_COUNTED = STEPS.at(-1) as number;

/** @returns the first grapheme of a name in upper case. */
export function initialOf(name: string): string {
  const [first] = new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(name);
  return first?.segment.toUpperCase() ?? '';
}

export type Destination = {
  /** As registered, and as the browser shows it on arrival. */
  exact: string;
  /** In its own script, when it cannot be mistaken for another host. */
  readable: string | undefined;
  /** The destination is an app on the user's device. Any app on the device may claim such an address. */
  onDevice: boolean;
  /** The destination is the development machine of a web client's developer. */
  development: boolean;
};

/**
 * @param redirectUri a redirect URI that was checked. Undefined when a device waits for the decision.
 * @returns where the response goes.
 */
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
