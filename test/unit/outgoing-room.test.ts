import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { lookup, Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { addressesOf } from '../../src/platform/names.ts';
import { createRoom } from '../../src/platform/outgoing-room.ts';

describe("The limit of requests to strangers' servers", () => {
  const enter = (room: ReturnType<typeof createRoom>, hosts: string[]) => hosts.map((host) => room.enter(host));
  const many = (count: number, nameOf: (n: number) => string) => Array.from({ length: count }, (_, n) => nameOf(n));
  const taken = (leaves: (unknown | undefined)[]) => leaves.filter(Boolean).length;

  it('allows a number of requests per host, per site, and in all', () => {
    assert.equal(
      taken(
        enter(
          createRoom(),
          many(20, () => 'keys.example.com'),
        ),
      ),
      8,
    );
    assert.equal(
      taken(
        enter(
          createRoom(),
          many(40, (n) => `h${n}.attacker.example`),
        ),
      ),
      16,
    );
    assert.equal(
      taken(
        enter(
          createRoom(),
          many(40, (n) => `keys.app${n}.co.kr`),
        ),
      ),
      40,
      'co.kr is no site',
    );
    assert.equal(
      taken(
        enter(
          createRoom(),
          many(200, (n) => `keys.app${n}.example`),
        ),
      ),
      64,
    );
  });

  it('frees a place once, however often the caller frees it', () => {
    const room = createRoom();
    const leaves = enter(
      room,
      many(8, () => 'keys.example.com'),
    );
    assert.equal(room.enter('keys.example.com'), undefined);
    leaves[0]?.(true);
    leaves[0]?.(true);
    assert(room.enter('keys.example.com'));
    assert.equal(room.enter('keys.example.com'), undefined);
  });

  it('blocks a failed host for longer each time, at most a minute, and no other host', () => {
    let now = 0;
    const room = createRoom(() => now);
    const rests: number[] = [];
    for (let n = 0; n < 8; n++) {
      room.enter('a.example.com')?.(false);
      const begun = now;
      while (!room.enter('a.example.com')) {
        assert(room.enter('b.example.com')?.(true) === undefined);
        now += 1_000;
      }
      rests.push((now - begun) / 1_000);
      // The attempt that got in is the next one to fail.
    }
    assert.deepEqual(rests.slice(0, 1), [2]);
    assert(
      rests.every((seconds, n) => n === 0 || seconds >= (rests[n - 1] as number) || seconds === 60),
      rests.join(),
    );
    assert(Math.max(...rests) <= 60);
  });

  it('forgets a failure when the host answers', () => {
    let now = 0;
    const room = createRoom(() => now);
    room.enter('a.example.com')?.(false);
    now += 2_000;
    room.enter('a.example.com')?.(true);
    room.enter('a.example.com')?.(false);
    now += 2_000;
    assert(room.enter('a.example.com'), 'it rests as long as the first time');
  });
});

describe('Host names that strangers choose', () => {
  it('are given up when their name servers do not answer, and do not delay other look-ups', async () => {
    const silent = createSocket('udp4').bind(0, '127.0.0.1');
    await once(silent, 'listening');
    let asked = 0;
    silent.on('message', () => (asked += 1));
    const ended: string[] = [];
    const strange = Array.from({ length: 12 }, async (_, n) => {
      const resolver = new Resolver({ timeout: 1_000, tries: 1 });
      resolver.setServers([`127.0.0.1:${silent.address().port}`]);
      await assert.rejects(addressesOf(`h${n}.attacker.example`, resolver));
      ended.push('strange');
    });
    await lookup('localhost');
    ended.push('own');
    await Promise.all(strange);
    assert.equal(ended[0], 'own');
    assert.equal(asked, 24, 'they were asked, for both families');
    silent.close();
  });
});
