import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  boundPorts,
  judgeKeyed,
  KEYED,
  keyedPorts,
  liveSlots,
  type ServiceName,
  type UnixMicros,
} from '@postern/protocol';
import { keyedNumbers, sendKeyed } from './keyed-knock.ts';

const service = 'ssh' as ServiceName;
const bytes = (size: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: size, maxLength: size });
const micros = fc.nat(4_000_000_000).map((seconds) => (seconds * 1_000_000) as UnixMicros);
const seconds = fc.integer({ min: -86_400, max: 86_400 }).map((value) => value * 1_000_000);

test('the numbers are for the slot of the corrected clock, and a gate hears them as long as is said', () => {
  fc.assert(
    fc.property(bytes(32), bytes(16), micros, seconds, (key, source, now, offset) => {
      fc.pre(now + offset > KEYED.slot);
      const numbers = keyedNumbers({ key, service, source, now, offset });
      const { slot, from, until, next } = numbers;
      assert.deepEqual(numbers.first, keyedPorts(key, slot, service));
      assert.deepEqual(numbers.bound, boundPorts(key, slot, service, source));
      const hears = (time: number): boolean => liveSlots((time + offset) as UnixMicros).includes(slot);
      assert.ok(hears(now) && hears(from) && hears(until - 1));
      assert.ok(!hears(until) && (slot < 2 || !hears(from - 1)));
      assert.ok(next > now && next - now <= KEYED.slot);
    }),
  );
});

test('without an address there is no bound set', () => {
  const numbers = keyedNumbers({
    key: new Uint8Array(32),
    service,
    source: undefined,
    now: 1e15 as UnixMicros,
    offset: 0,
  });
  assert.deepEqual(numbers.bound, []);
});

test('both sets leave in each round, three of the first set first, 2 ms from packet to packet', async () => {
  const [key, source] = [randomBytes(32), randomBytes(16)];
  const numbers = keyedNumbers({ key, service, source, now: 1e15 as UnixMicros, offset: 0 });
  const sent: { protocol: string; port: number }[] = [];
  const pauses: number[] = [];
  const sender = {
    send: (protocol: string, port: number) => {
      sent.push({ protocol, port });
      return Promise.resolve();
    },
  };
  const pause = (milliseconds: number): Promise<void> => {
    pauses.push(milliseconds);
    return Promise.resolve();
  };
  const count = await sendKeyed(numbers, ['udp', 'tcp'], sender, pause, randomBytes);
  assert.equal(sent.length, count);
  assert.deepEqual(
    pauses,
    Array.from({ length: count - 1 }, () => 2),
  );
  for (const protocol of ['udp', 'tcp']) {
    const round = sent.filter((packet) => packet.protocol === protocol).map(({ port }) => port);
    assert.equal(round.length, count / 2);
    assert.ok(round.slice(0, 3).every((port) => numbers.first.includes(port)));
    const verdict = judgeKeyed({ numbers: round, key, slot: numbers.slot, service, address: source });
    assert.equal(verdict, 'bound', 'each round alone is enough');
  }
});
