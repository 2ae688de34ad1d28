import bowser from 'bowser';
import ipaddr from 'ipaddr.js';
import type { Context } from 'koa';

/**
 * Where a request came from, as far as it is worth keeping: enough for a person to recognize a browser of theirs, too little to follow
 * anybody by. All of it is hearsay but the address.
 */
export type Visitor = {
  /** The network, not the host: /24 of IPv4, /48 of IPv6. */
  address: string;
  /** Such as `Chrome, Windows`; undefined for what names itself unlike any browser. */
  browser: string | undefined;
  requestId: string;
};

/** Behind onlyOurHost(), which settles whose word about the address counts. */
export function visitorOf(ctx: Context): Visitor {
  return { address: networkOf(ctx.ip), browser: browserOf(ctx.get('user-agent')), requestId: ctx.state.requestId };
}

const KEPT_BITS = { ipv4: 24, ipv6: 48 };

function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return '';
  const parsed = ipaddr.process(address);
  const [bytes, bits] = [parsed.toByteArray(), KEPT_BITS[parsed.kind()]];
  const network = ipaddr.fromByteArray(bytes.map((byte, n) => (n < bits / 8 ? byte : 0)));
  return `${network}/${bits}`;
}

// Far more than any browser says of itself.
const LONGEST = 512;

// The header is a stranger's text, and what is found in it stands in letters and on pages: so it is a name of these, or none.
const BROWSERS = new Set<string>(Object.values(bowser.BROWSER_MAP));
const SYSTEMS = new Set<string>(Object.values(bowser.OS_MAP));

function browserOf(userAgent: string): string | undefined {
  if (!userAgent || userAgent.length > LONGEST) return undefined;
  const { browser, os } = bowser.parse(userAgent);
  if (!BROWSERS.has(browser.name ?? '')) return undefined;
  return SYSTEMS.has(os.name ?? '') ? `${browser.name}, ${os.name}` : browser.name;
}
