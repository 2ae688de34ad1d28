import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

// Below the range from which systems take a port for each connection that goes out: there, one that is free now may be gone before its server listens.
const [FIRST, END] = [20_000, 32_000];

/** A port of the loopback address that nobody listens on now. @returns {Promise<number>} @throws what listening throws when a hundred are taken. */
export async function freePort(attempts = 100) {
  const port = randomInt(FIRST, END);
  const probe = createServer();
  try {
    await once(probe.listen(port, '127.0.0.1'), 'listening');
  } catch (error) {
    if (attempts > 1) return freePort(attempts - 1);
    throw error;
  }
  probe.close();
  await once(probe, 'close');
  return port;
}
