import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { ALIVE_CHANNEL } from '../../src/platform/listen.ts';

/**
 * The wire to the database: it can be cut and mended, it can fall silent, it counts and tells the statements that go over it,
 * and whoever watches is told of each one as it passes.
 */

/** `arrives`: none of it has gone on yet; `forwarded`: the database has all of it; `answered`: so has the server, of the answer. */
export type Moment = 'arrives' | 'forwarded' | 'answered';

export type Wire = {
  url: string;
  statements(): number;
  /** The text of each that was sent to be parsed, once. */
  texts(): string[];
  /** Closes every connection and lets no new one in. */
  cut(): void;
  /** Lets nothing through in either direction, and tells nobody. */
  silence(): void;
  /** Lets everything through but notifications. */
  deafen(): void;
  mend(): void;
  close(): void;
};

/** @param watch returns false when a statement that arrives must not go on, nor anything after it on its connection. */
export async function createWire(databaseUrl: string, watch: (moment: Moment, text: string) => unknown = () => {}): Promise<Wire> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let state: 'whole' | 'cut' | 'silent' | 'deaf' = 'whole';
  let statements = 0;
  const texts = new Set<string>();
  const server = createServer({ noDelay: true }, (near) => {
    if (state === 'cut') return void near.destroy();
    const far = connect({ port: Number(target.port), host: target.hostname, noDelay: true });
    const answers = answersOf((text) => watch('answered', text));
    const questions = questionsOf({
      count: () => statements++,
      hear: (text) => texts.add(text),
      watch: (moment, text) => watch(moment, text) !== false,
      expect: answers.expect,
    });
    near.on('data', (chunk) => state === 'silent' || far.write(questions(chunk)));
    far.on('data', (chunk) => {
      if (state === 'silent') return;
      const heard = answers.read(chunk);
      near.write(state === 'deaf' ? heard : chunk);
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('end', () => other.end());
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        // What was forwarded arrives: the other side is told by an end, not by a reset that could overtake it.
        other.end();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(databaseUrl);
  url.port = String((server.address() as AddressInfo).port);
  // Not resetAndDestroy(): met by an error of the other side, it loses its handle, and the process that tests never ends.
  const drop = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: url.href,
    statements: () => statements,
    texts: () => [...texts],
    cut() {
      state = 'cut';
      drop();
    },
    silence() {
      state = 'silent';
    },
    deafen() {
      state = 'deaf';
    },
    mend() {
      // What was swallowed meanwhile is missing from the connections that were open: none of them can be gone on with.
      if (state !== 'whole') drop();
      state = 'whole';
    },
    close() {
      drop();
      server.close();
    },
  };
}

type Question = {
  count(): void;
  hear(text: string): void;
  watch(moment: 'arrives' | 'forwarded', text: string): boolean;
  expect(text: string): void;
};

/** Reads the frontend's messages (PostgreSQL protocol 3.0): each Query (Q) and each Execute (E) is a statement. @returns what is to go on. */
function questionsOf({ count, hear, watch, expect }: Question): (chunk: Buffer) => Buffer {
  const texts = new Map<string, string>();
  const next = messages({ withoutTypeFirst: true });
  let text = '';
  let held = false;
  return (chunk) => {
    const onwards: Buffer[] = [];
    for (const { type, body, raw } of next(chunk)) {
      if (type === 'P') texts.set(cString(body, 0), cString(body, cString(body, 0).length + 1));
      if (type === 'P') hear(cString(body, cString(body, 0).length + 1));
      if (type === 'B') text = texts.get(cString(body, cString(body, 0).length + 1)) ?? '';
      if (type === 'Q') text = cString(body, 0);
      if (type === 'Q') hear(text);
      // What the listening connection asks itself, every so often, is no part of what a test does.
      const idle = text.includes('pg_notify($1, $2), clock_timestamp()') || text.includes(ALIVE_CHANNEL);
      if ((type === 'B' || type === 'Q') && !held && !idle) held = !watch('arrives', text);
      if (held) continue;
      onwards.push(raw);
      if ((type === 'Q' || type === 'E') && !idle) count();
      if (type === 'S' || type === 'Q') {
        expect(text);
        const said = text;
        // Once this chunk is written.
        if (!idle) queueMicrotask(() => watch('forwarded', said));
      }
    }
    return Buffer.concat(onwards);
  };
}

/** Reads the backend's messages: each ReadyForQuery (Z) ends the answer to what was asked first. */
function answersOf(answered: (text: string) => void) {
  const expected: string[] = [];
  const next = messages({ withoutTypeFirst: false });
  let greeted = false;
  return {
    expect: (text: string) => void expected.push(text),
    /** @returns the same without notifications. */
    read(chunk: Buffer): Buffer {
      const heard: Buffer[] = [];
      for (const { type, raw } of next(chunk)) {
        if (type !== 'A') heard.push(raw);
        if (type !== 'Z') continue;
        // The first says that it is ready to be asked at all.
        if (greeted) answered(expected.shift() ?? '');
        greeted = true;
      }
      return Buffer.concat(heard);
    },
  };
}

/** Cuts a stream of the backend's messages into answers, each up to its ReadyForQuery (Z). */
export function answersIn(): (chunk: Buffer) => Buffer[] {
  const next = messages({ withoutTypeFirst: false });
  let parts: Buffer[] = [];
  return (chunk) => {
    const whole: Buffer[] = [];
    for (const { type, raw } of next(chunk)) {
      parts.push(raw);
      if (type !== 'Z') continue;
      whole.push(Buffer.concat(parts));
      parts = [];
    }
    return whole;
  };
}

/** Cuts a stream into messages: a type, unless it is the first of the frontend's, a length that counts itself, a body. */
function messages({ withoutTypeFirst }: { withoutTypeFirst: boolean }) {
  let pending = Buffer.alloc(0);
  let header = withoutTypeFirst ? 0 : 1;
  return function* (chunk: Buffer): Generator<{ type: string; body: Buffer; raw: Buffer }> {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      if (pending.length < header + 4) return;
      const length = header + pending.readUInt32BE(header);
      if (pending.length < length) return;
      const raw = pending.subarray(0, length);
      pending = pending.subarray(length);
      const type = header ? String.fromCharCode(raw[0] as number) : '';
      const body = raw.subarray(header + 4);
      header = 1;
      yield { type, body, raw };
    }
  };
}

function cString(buffer: Buffer, from: number): string {
  return buffer.toString('utf8', from, buffer.indexOf(0, from));
}
