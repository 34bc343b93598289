import assert from 'node:assert/strict';
import { test } from 'node:test';
import { halfSipHash24, LONG_PACKET, SHORT_PACKET } from '@postern/protocol';
import fc from 'fast-check';
import { decodePacket, newDatagram } from '../sentry/decode-packet.ts';
import { MOST_INSTRUCTIONS } from './assembler.ts';
import { packetLoad, runFilter } from './filter-interpreter.ts';
import { dropAllFilter, knockFilter, MOST_TAG_KEYS, type Layer } from './filter.ts';

const PORT = 62201;
const HOST = 0;

const key = fc.uint8Array({ minLength: 8, maxLength: 8 });
const keys = fc.array(key, { minLength: 1, maxLength: MOST_TAG_KEYS });
const ipLayer = fc.constantFrom('ip4' as const, 'ip6' as const);

/** A knock as it is on the wire from the given layer on, tagged with `tagKey`. */
function packet(layer: Layer, payload: number, nonce: Uint8Array, tagKey: Uint8Array, padding = 0): Uint8Array {
  const udp = layer === 'udp' ? 0 : layer === 'ip4' ? 20 : 40;
  const bytes = new Uint8Array(udp + 8 + payload + padding);
  const view = new DataView(bytes.buffer);
  if (layer === 'ip4') {
    bytes.set([0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, 17]);
    view.setUint16(2, 28 + payload);
    bytes.set([192, 0, 2, 1, 192, 0, 2, 2], 12);
  } else if (layer === 'ip6') {
    bytes.set([0x6a, 0xbc, 0xde, 0xf0, 0, 0, 17, 64]);
    view.setUint16(4, 8 + payload);
    bytes.set([0x20, 0x01, 0x0d, 0xb8], 8);
    bytes.set([0x20, 0x01, 0x0d, 0xb9], 24);
  }
  view.setUint16(udp, 40000);
  view.setUint16(udp + 2, PORT);
  view.setUint16(udp + 4, 8 + payload);
  bytes.set(nonce, udp + 8);
  view.setUint32(udp + 16, halfSipHash24(tagKey, nonce), true);
  return bytes;
}

function passes(program: Uint8Array, bytes: Uint8Array, type = HOST): boolean {
  return runFilter(program, packetLoad(bytes, type), bytes.length) !== 0;
}

/** What the sentry would say of the packet: the model of the filter. */
function expected(layer: 'ip4' | 'ip6', bytes: Uint8Array, tagKeys: readonly Uint8Array[]): boolean {
  const datagram = newDatagram(layer === 'ip4' ? 4 : 6);
  if (!decodePacket(bytes, bytes.length, PORT, datagram)) return false;
  if (tagKeys.length === 0) return true;
  const payload = bytes.subarray(datagram.from, datagram.to);
  const tag = new DataView(payload.buffer, payload.byteOffset).getUint32(8, true);
  return tagKeys.some((tagKey) => halfSipHash24(tagKey, payload.subarray(0, 8)) === tag);
}

const almostKnock = fc
  .record({
    layer: ipLayer,
    tagKeys: fc.array(key, { maxLength: MOST_TAG_KEYS }),
    rightKey: fc.boolean(),
    which: fc.nat(),
    otherKey: key,
    payload: fc.constantFrom(SHORT_PACKET, LONG_PACKET),
    nonce: key,
    padding: fc.constantFrom(0, 0, 3),
    cut: fc.oneof(fc.constant(0), fc.nat(400)),
    changes: fc.array(fc.tuple(fc.nat(63), fc.nat(255)), { maxLength: 2 }),
  })
  .map((it) => {
    const tagKey = it.rightKey ? (it.tagKeys[it.which % (it.tagKeys.length || 1)] ?? it.otherKey) : it.otherKey;
    const bytes = packet(it.layer, it.payload, it.nonce, tagKey, it.padding);
    for (const [offset, value] of it.changes) bytes[offset] = value;
    return { layer: it.layer, tagKeys: it.tagKeys, bytes: bytes.slice(0, bytes.length - it.cut) };
  });

test('the filter lets through exactly what the sentry takes for a knock', () => {
  let passed = 0;
  fc.assert(
    fc.property(almostKnock, ({ layer, tagKeys, bytes }) => {
      const program = knockFilter({ layer, port: PORT, tagKeys });
      const pass = passes(program, bytes);
      if (pass) passed++;
      assert.equal(pass, expected(layer, bytes, tagKeys));
    }),
    { numRuns: 3000 },
  );
  assert.ok(passed > 100, `only ${String(passed)} packets passed: the generator makes too few knocks`);
});

test('the filter and the sentry agree on every value of every header byte', () => {
  const nonce = new Uint8Array(8);
  for (const layer of ['ip4', 'ip6'] as const) {
    const program = knockFilter({ layer, port: PORT, tagKeys: [] });
    const headers = layer === 'ip4' ? 28 : 48;
    for (const size of [SHORT_PACKET, LONG_PACKET]) {
      const bytes = packet(layer, size, nonce, nonce);
      for (let offset = 0; offset < headers; offset++) {
        const original = bytes[offset] ?? 0;
        for (let value = 0; value < 256; value++) {
          bytes[offset] = value;
          assert.equal(
            passes(program, bytes),
            expected(layer, bytes, []),
            `${layer} ${String(offset)} ${String(value)}`,
          );
        }
        bytes[offset] = original;
      }
    }
  }
});

test('options, fragments, other protocols, ports and lengths are no knock', () => {
  const four: readonly [number, number][] = [
    [0, 0x46],
    [0, 0x65],
    [3, 0],
    [6, 0x20],
    [6, 0x10],
    [7, 1],
    [9, 6],
    [23, 0],
    [25, 0],
  ];
  const six: readonly [number, number][] = [
    [0, 0x45],
    [5, 0],
    [6, 0],
    [6, 44],
    [43, 0],
    [45, 0],
  ];
  for (const [layer, changes] of [
    ['ip4', four],
    ['ip6', six],
  ] as const) {
    const program = knockFilter({ layer, port: PORT, tagKeys: [] });
    for (const [offset, value] of changes) {
      const bytes = packet(layer, SHORT_PACKET, new Uint8Array(8), new Uint8Array(8));
      assert.ok(passes(program, bytes));
      bytes[offset] = value;
      assert.ok(!passes(program, bytes), `${layer} ${String(offset)} ${String(value)}`);
    }
  }
});

test('the filter is total on arbitrary bytes and agrees with the sentry on them', () => {
  fc.assert(
    fc.property(ipLayer, keys, fc.uint8Array({ maxLength: 1500 }), (layer, tagKeys, bytes) => {
      assert.equal(passes(knockFilter({ layer, port: PORT, tagKeys }), bytes), expected(layer, bytes, tagKeys));
    }),
    { numRuns: 300 },
  );
});

test('a knock tagged with any of four keys passes at every layer, with any other key it does not', () => {
  const layers: Layer[] = ['ip4', 'ip6', 'udp'];
  const tagKeys = [1, 2, 3, 4].map((value) => new Uint8Array(8).fill(value));
  const nonce = Uint8Array.of(9, 8, 7, 6, 5, 4, 3, 0xff);
  for (const layer of layers) {
    const program = knockFilter({ layer, port: PORT, tagKeys });
    for (const size of [SHORT_PACKET, LONG_PACKET]) {
      for (const tagKey of tagKeys) assert.ok(passes(program, packet(layer, size, nonce, tagKey)));
      assert.ok(!passes(program, packet(layer, size, nonce, new Uint8Array(8).fill(5))));
    }
    assert.ok(!passes(program, packet(layer, SHORT_PACKET - 1, nonce, tagKeys[0] ?? nonce)));
  }
});

test('packets that are not for this host never pass: broadcast, multicast, others, outgoing', () => {
  const tagKey = new Uint8Array(8).fill(1);
  for (const layer of ['ip4', 'ip6', 'udp'] as const) {
    for (const tagKeys of [[], [tagKey]]) {
      const program = knockFilter({ layer, port: PORT, tagKeys });
      const knock = packet(layer, SHORT_PACKET, new Uint8Array(8), tagKey);
      assert.ok(passes(program, knock, HOST));
      for (const type of [1, 2, 3, 4]) assert.ok(!passes(program, knock, type));
    }
  }
});

test('four tags fit the kernel, a fifth is refused, and nothing passes the filter for unread sockets', () => {
  const tagKeys = Array.from({ length: 5 }, (_, index) => new Uint8Array(8).fill(index));
  for (const layer of ['ip4', 'ip6', 'udp'] as const) {
    assert.ok(knockFilter({ layer, port: PORT, tagKeys: tagKeys.slice(0, 4) }).length / 8 <= MOST_INSTRUCTIONS);
    assert.throws(() => knockFilter({ layer, port: PORT, tagKeys }), RangeError);
  }
  assert.ok(!passes(dropAllFilter(), packet('udp', SHORT_PACKET, new Uint8Array(8), new Uint8Array(8))));
});
