import { createHash } from 'node:crypto';
import type { StartingApp } from '../../oauth/app.ts';
import { LOOPBACK } from '../../oauth/clients/hosts.ts';
import type { LogoProblem } from '../../oauth/clients/logos.ts';
import { keepSent } from '../../platform/outbox.ts';
import { createGuardedFetch, type Opening } from '../../platform/outgoing.ts';
import { redraw } from './picture.ts';
import { type DueLogo, LOGO_CHANNEL, noteLogoProblem, storeLogo, takeDueLogos } from './store.ts';

/**
 * Owns the fetching of logos in the background, on any node. A logo is fetched once, redrawn and stored, so that no page of this server
 * sends a
 * browser to a third party.
 */

/** As large as other providers allow for an app's logo. A PNG of 512 pixels often exceeds 64 kB. */
const MAX_BYTES = 1024 * 1024;
// From the first byte sent to the last one received: the guarded fetch only limits the pauses between them.
const DEADLINE_MS = 5_000;
const AT_ONCE = 2;
const ACCEPTED = 'image/png, image/svg+xml, image/webp, image/jpeg, image/gif';

type Fetching = Pick<StartingApp, 'database' | 'log'> & {
  /** Whether a logo may have a loopback http address: only in development, as at registration (webLinkFault()). */
  loopbackPages: boolean;
  /** The operator's own networks that may be reached (OUTGOING_ALLOW). */
  openings?: readonly Opening[];
  everyMs?: number;
};

/** Fetches due logos until it is stopped. */
export function keepLogosFetched({ database, log, loopbackPages, openings = [], everyMs }: Fetching): { stop(): Promise<void> } {
  const guardedFetch = createGuardedFetch({
    maxBytes: MAX_BYTES,
    showRedirects: true,
    openings,
    ...(loopbackPages && { ownHosts: LOOPBACK }),
  });
  const ending = new AbortController();
  return keepSent<DueLogo>({
    database,
    log,
    channel: LOGO_CHANNEL,
    atOnce: AT_ONCE,
    take: (room) => takeDueLogos(database, room),
    send: (logo) => fetchOne(logo),
    waits: 'client_logos_wait',
    cut: () => ending.abort(),
    everyMs,
  });

  /** @throws never */
  async function fetchOne(logo: DueLogo): Promise<void> {
    const { clientId: client, attempts } = logo;
    try {
      const fetched = await fetchPicture(guardedFetch, logo.uri, ending.signal);
      const drawn = 'bytes' in fetched ? await redraw(fetched.bytes, ending.signal) : fetched;
      // An attempt that our shutdown interrupted says nothing about the picture.
      if (ending.signal.aborted) return;
      if ('png' in drawn) return await storeLogo(database, logo, drawn.png, createHash('sha256').update(drawn.png).digest());
      log.info({ event: 'client_logo_refused', client, attempts, reason: drawn.problem });
      await noteLogoProblem(database, logo, drawn.problem);
    } catch (error) {
      log.error({ event: 'client_logo_unnoted', client, attempts, reason: (error as Error).message });
    }
  }
}

type Fetched = { bytes: Buffer } | { problem: LogoProblem };

/** @throws never */
async function fetchPicture(guardedFetch: typeof fetch, uri: string, ending: AbortSignal): Promise<Fetched> {
  try {
    const response = await guardedFetch(uri, {
      headers: { accept: ACCEPTED, 'accept-encoding': 'identity' },
      signal: AbortSignal.any([ending, AbortSignal.timeout(DEADLINE_MS)]),
    });
    const problem = problemOf(response);
    if (!problem) return await readBounded(response);
    await response.body?.cancel();
    return { problem };
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { code?: string };
    return { problem: code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE' ? 'too_large' : 'no_answer' };
  }
}

function problemOf({ status, headers }: Response): LogoProblem | undefined {
  if (status >= 300 && status < 400) return 'redirected';
  if (status !== 200) return 'refused';
  return /^image\//i.test(headers.get('content-type') ?? '') ? undefined : 'not_an_image';
}

/** The guarded fetch counts bytes on the wire. A server that compresses anyway could expand them a thousandfold. */
async function readBounded(response: Response): Promise<Fetched> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > MAX_BYTES) return { problem: 'too_large' };
    chunks.push(chunk);
  }
  return { bytes: Buffer.concat(chunks) };
}
