import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/**
 * Owns the load: requests that were written beforehand, one after another on each of a number of connections that stay open.
 * Knows of HTTP/1.1 what it takes to tell where an answer ends (RFC 9112 section 6) and whether it is 200, and no more.
 *
 * It shares a core with the database, so its own processor time is missing there. Measured against a bare node:http server that answers
 * 200 bytes, 16 connections, generator and server on a core each (Node 24, AMD EPYC, 2026-11-21), CPU of the generator a request:
 *
 * - This generator, one body or one each: 11 µs. It got 50,000 to 60,000 answers a second with a third of its core to spare, so the server was the limit.
 * - autocannon, one body: 15 µs.
 * - autocannon, a body each: 23 µs.
 * - undici, with URLSearchParams and JSON.parse for each request: 25 to 33 µs. Its core was full at 30,000 to 39,000 answers a second.
 */

/** What one slice of load came to. `bodies` has the answers: of every request where they are to be kept, else of one in a hundred. */
export type Slice = { requests: number; seconds: number; latenciesMs: Float64Array; bodies: string[] };

type Options = { seconds: number; keepBodies?: boolean; again?: boolean };

export type Load = {
  /**
   * Sends the requests in their order until time or they run out, or for as long as there is time: the one, or all of them `again`.
   * @throws on an answer that is not 200, and when one does not come.
   */
  run(requests: Buffer | Buffer[], options: Options): Promise<Slice>;
};

// Room for more answers than any slice has: growing an array belongs to no measurement.
const MOST_REQUESTS = 1_000_000;
const SAMPLE_EVERY = 100;
const RECEIVE_BYTES = 64 * 1024;
const PATIENCE_MS = 20_000;

/** Load for one server. Each slice has its own connections, open before it begins: a server may close those that are idle between two. */
export function createLoad(address: string, connections: number): Load {
  const { hostname, port } = new URL(address);
  return {
    async run(requests, options) {
      const lines = await Promise.all(Array.from({ length: connections }, () => openLine(Number(port), hostname)));
      try {
        return await runSlice(lines, requests, options);
      } finally {
        for (const line of lines) line.close();
      }
    },
  };
}

const latencies = new Float64Array(MOST_REQUESTS);

function runSlice(lines: Line[], requests: Buffer | Buffer[], { seconds, keepBodies = false, again = false }: Options) {
  return new Promise<Slice>((resolve, reject) => {
    const next = Array.isArray(requests) ? listed(requests, again) : () => requests;
    const bodies: string[] = [];
    let answered = 0;
    let busy = lines.length;
    const fail = (error: Error) => {
      clearTimeout(patience);
      reject(error);
    };
    const patience = setTimeout(() => fail(new Error('an answer did not come')), seconds * 1000 + PATIENCE_MS);
    const begun = performance.now();
    const end = begun + seconds * 1000;

    const follow = (line: Line) => {
      const request = performance.now() < end && answered < MOST_REQUESTS ? next() : undefined;
      if (request) line.send(request, keepBodies || answered % SAMPLE_EVERY === 0, settle, fail);
      else if (--busy === 0) {
        clearTimeout(patience);
        resolve({
          requests: answered,
          seconds: (performance.now() - begun) / 1000,
          latenciesMs: latencies.slice(0, answered).sort(),
          bodies,
        });
      }
    };
    const settle = (line: Line, sentAt: number, body: string | undefined) => {
      latencies[answered++] = performance.now() - sentAt;
      if (body !== undefined) bodies.push(body);
      follow(line);
    };
    for (const line of lines) follow(line);
  });
}

function listed(requests: Buffer[], again: boolean): () => Buffer | undefined {
  let position = 0;
  return () => {
    if (again && position === requests.length) position = 0;
    return requests[position++];
  };
}

type Settle = (line: Line, sentAt: number, body: string | undefined) => void;

type Line = {
  /** Sends a request, one at a time. The body comes back as text where it is wanted. */
  send(request: Buffer, wantsBody: boolean, settle: Settle, fail: (error: Error) => void): void;
  close(): void;
};

async function openLine(port: number, host: string): Promise<Line> {
  let [wantsBody, sentAt, closed] = [false, 0, false];
  let settle: Settle | undefined;
  let fail: (error: Error) => void = () => {};
  // An answer that came at once, as nearly all do, is read where it lies; of others this is what came so far.
  let piece: Buffer | undefined;

  const received = (chunk: Buffer) => {
    const answer = piece ? Buffer.concat([piece, chunk]) : chunk;
    const parsed = parseAnswer(answer, wantsBody);
    if (parsed instanceof Error) return fail(parsed);
    // The buffer is overwritten by what comes next.
    piece = parsed ? undefined : Buffer.from(answer);
    if (!parsed) return;
    if (parsed.status === 200) settle?.(line, sentAt, parsed.body);
    else fail(new Error(`answered ${parsed.status}: ${answer.toString('utf8')}`));
  };
  const socket: Socket = connect({
    port,
    host,
    noDelay: true,
    onread: {
      buffer: Buffer.allocUnsafe(RECEIVE_BYTES),
      callback(length, buffer) {
        received((buffer as Buffer).subarray(0, length));
        return true;
      },
    },
  });
  const line: Line = {
    send(request, wants, settled, failed) {
      [wantsBody, settle, fail] = [wants, settled, failed];
      sentAt = performance.now();
      socket.write(request);
    },
    close() {
      closed = true;
      socket.destroy();
    },
  };
  await once(socket, 'connect');
  socket.on('error', (error) => fail(error));
  socket.on('close', () => closed || fail(new Error('the server closed a connection')));
  return line;
}

const HEADERS_END = Buffer.from('\r\n\r\n');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

type Answer = { status: number; body: string | undefined };

/** @returns undefined while the answer is not whole. Requests are never pipelined, so what follows an answer's end is a defect. */
function parseAnswer(answer: Buffer, wantsBody: boolean): Answer | Error | undefined {
  const headersEnd = answer.indexOf(HEADERS_END);
  if (headersEnd < 0) return undefined;
  const head = answer.toString('latin1', 0, headersEnd);
  const status = Number(head.slice(9, 12));
  const from = headersEnd + 4;
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) {
    if (answer.length > from + Number(length)) return new Error('an answer is longer than it says');
    if (answer.length < from + Number(length)) return undefined;
    return { status, body: wantsBody ? answer.toString('utf8', from) : undefined };
  }
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return new Error('an answer does not say how long it is');
  if (!answer.subarray(-LAST_CHUNK.length).equals(LAST_CHUNK)) return undefined;
  return { status, body: wantsBody ? unchunked(answer.subarray(from)) : undefined };
}

/** The body of an answer in chunks (RFC 9112 section 7.1). */
function unchunked(encoded: Buffer): string {
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = encoded.indexOf('\r\n', at);
    const length = Number.parseInt(encoded.toString('latin1', at, lineEnd), 16);
    if (!length) return Buffer.concat(chunks).toString('utf8');
    chunks.push(encoded.subarray(lineEnd + 2, lineEnd + 2 + length));
    at = lineEnd + 2 + length + 2;
  }
}
