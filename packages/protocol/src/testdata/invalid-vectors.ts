/** For tests and vectors only: packets that a gate refuses, at least two for each reason that a packet can meet. */
import { makeBrokenPackets } from './broken-packets.ts';
import { makeRefusedRequests } from './refused-requests.ts';
import * as oracle from './oracle.ts';
import { receiptPlaintext } from './valid-vectors.ts';
import { fromHex, toHex } from '../bytes.ts';
import type {
  ContextJson,
  InvalidFile,
  InvalidVector,
  ReceiptVector,
  Refused,
  SequenceVector,
} from './vector-files.ts';
import { epochAt, makeWorld, NOW, SECOND, signedPart, type World } from './world.ts';

export function makeInvalid(): InvalidFile {
  const world = makeWorld('postern spa-v1 invalid vectors');
  return {
    about: ABOUT,
    keys: world.json,
    context: contextOf(world),
    vectors: [...makeBrokenPackets(world), ...makeRefusedRequests(world)].map(toVector),
    sequences: sequences(world),
    receipts: receipts(world),
    limits: {
      budget: 'the sentry does public-key work for one prefix, and in all, up to a rate of its own',
      'monitor-busy': 'the line between sentry and monitor is full',
      'rate-line': 'the sentry asks more often than the table of the monitor allows',
      frame: 'the sentry sent the monitor what no sentry sends',
      'rate-device': 'a device is heard 64 times at once and then once a second',
      'record-failed': 'the durable record could not be written',
      failed: 'the request was permitted and the firewall did not do it',
    },
  };
}

function toVector({ name, reason, told, packet, context }: Refused): InvalidVector {
  return { name, reason, told: told ?? null, packet: toHex(packet), context: context ?? {} };
}

function contextOf({ json }: World): ContextJson {
  const service = { seconds: 30, maxSeconds: 7200, singleUse: false, observedSource: false, prefix4: 24, prefix6: 56 };
  return {
    now: NOW,
    from: '192.0.2.7',
    pq: 'off',
    gateKeys: [json.gateKey],
    stateId: json.stateId,
    device: {
      id: json.device.id,
      expires: null,
      revoked: null,
      services: ['ssh', 'web', 'once', 'gone'],
      from: null,
      maxSeconds: null,
      userExpires: null,
      userRevoked: null,
    },
    services: [
      { name: 'ssh', ...service },
      { name: 'web', ...service, observedSource: true },
      { name: 'once', ...service, singleUse: true },
      { name: 'other', ...service },
    ],
    invite: { id: json.invite.id, expires: NOW + 3600 * SECOND, usedBy: null },
    row: null,
    grants: ['ssh'],
  };
}

function plain(world: World, suite: 1 | 2 = 1): Uint8Array {
  return world.seal({ suite, signedPart: signedPart(world.statement(suite)), epoch: epochAt(NOW) }).packet;
}

function sequences(world: World): SequenceVector[] {
  const ms = 1000;
  const step = (
    packet: number,
    afterMicros: number,
    from: string,
    outcome: SequenceVector['steps'][number]['outcome'],
  ): SequenceVector['steps'][number] => ({ packet, afterMicros, from, outcome });
  return [
    {
      name: 'the same packet from the same address',
      packets: [toHex(plain(world))],
      steps: [
        step(0, 0, '192.0.2.7', 'ok'),
        step(0, 40 * ms, '192.0.2.7', 'duplicate'),
        step(0, 90 * SECOND, '192.0.2.7', 'duplicate'),
      ],
    },
    {
      name: 'the same packet from the same IPv6 address, suite 2, which it does not state',
      packets: [toHex(plain(world, 2))],
      steps: [step(0, 0, '2001:db8::9', 'source'), step(0, 1 * ms, '2001:db8::9', 'duplicate')],
    },
    {
      name: 'a thief races the same packet from four other addresses: it still opens for whom it states',
      packets: [toHex(plain(world))],
      steps: [
        ...['198.51.100.1', '198.51.100.2', '198.51.100.3'].map((from, i) => step(0, i * ms, from, 'source')),
        step(0, 3 * ms, '192.0.2.7', 'ok'),
        step(0, 4 * ms, '198.51.100.4', 'too-many-sources'),
        step(0, 5 * ms, '198.51.100.5', 'too-many-sources'),
      ],
    },
    ...([1, 2] as const).map((suite) => {
      const keys = oracle.epochKeys(fromHex(world.json.gateKey), epochAt(NOW));
      const nonce = world.random(8);
      const size = suite === 1 ? 324 : 1344;
      const forged = Array.from({ length: 9 }, () => {
        const packet = oracle.pack(keys, nonce, world.random(size));
        packet.set(world.random(16), packet.length - 16);
        return toHex(packet);
      });
      return {
        name: `suite ${suite}: nine packets with one nonce and tag that was overheard, and forged macs`,
        packets: forged,
        steps: forged.map((_, i) => step(i, i * ms, `198.51.100.${i + 1}`, i < 8 ? 'mac' : 'nonce-failed')),
      };
    }),
  ];
}

function receipts(world: World): ReceiptVector[] {
  const { packet, receiptKey: key } = world.seal({
    suite: 1,
    signedPart: signedPart(world.statement(1)),
    epoch: epochAt(NOW),
  });
  const mac = packet.subarray(packet.length - 16);
  const stateId = world.json.stateId;
  const text = receiptPlaintext({
    status: 'ok',
    address: '192.0.2.7',
    end: NOW + 30 * SECOND,
    now: NOW,
    era: 3,
    stateId,
    nextKey: null,
  });
  const sealed = (change: (text: Uint8Array) => void): Uint8Array => {
    const changed = text.slice();
    change(changed);
    return oracle.receipt(key, world.random(12), mac, changed);
  };
  const good = sealed(() => undefined);
  const flipped = (at: number): Uint8Array => good.map((byte, i) => (i === at ? byte ^ 1 : byte));
  const entries: [name: string, bytes: Uint8Array, mac?: Uint8Array][] = [
    ['one bit of the nonce is another', flipped(0)],
    ['one bit of the sealed part is another', flipped(60)],
    ['one bit of the seal is another', flipped(127)],
    ['the receipt of another request', good, world.random(16)],
    ['a byte is missing', good.subarray(0, 127)],
    ['a byte too many', new Uint8Array([...good, 0])],
    ['no bytes at all', new Uint8Array(0)],
    ['an unknown status', sealed((bytes) => bytes.fill(5, 0, 1))],
    ['a grant that ends at 2^53', sealed((bytes) => bytes.set(oracle.integer(8, 2n ** 53n), 17))],
    ['a clock that shows 2^64 - 1', sealed((bytes) => bytes.fill(0xff, 25, 33))],
    ['padding that is not zero', sealed((bytes) => bytes.fill(1, 99))],
  ];
  return entries.map(([name, bytes, otherMac]) => ({
    name,
    receiptKey: toHex(key),
    mac: toHex(otherMac ?? mac),
    bytes: toHex(bytes),
  }));
}

const ABOUT =
  "Native SPA version 1: packets that a gate refuses, each with the first reason in the order of checks. A vector's `context` replaces " +
  "members of the file's `context`, which is what the gate knows. `told` is the status of the receipt that is sent all the same; " +
  "null: nothing is sent. Sequences begin at the context's `now` with no row. Byte strings are hexadecimal, times Unix " +
  'microseconds. The keys are public: never use them.';
