import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodePacket, isPossibleSource, newDatagram } from './decode-packet.ts';

const address6 = (...bytes: number[]): Uint8Array =>
  Uint8Array.of(...bytes, ...new Array<number>(16 - bytes.length).fill(0));
const address4 = (...bytes: number[]): Uint8Array => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...bytes);

test('addresses, port and payload are found behind an IPv4 and an IPv6 header', () => {
  const four = new Uint8Array(380);
  four.set([0x45, 0, 380 >> 8, 380 & 0xff, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 198, 51, 100, 7]);
  four.set([0x9c, 0x40, 0xf2, 0xf9, 360 >> 8, 360 & 0xff], 20);
  const datagram = newDatagram(4);
  const datagram6 = newDatagram(6);
  assert.ok(decodePacket(four, 380, 62201, datagram));
  assert.deepEqual(datagram, {
    family: 4,
    source: address4(192, 0, 2, 1),
    destination: address4(198, 51, 100, 7),
    sourcePort: 40000,
    interfaceIndex: 0,
    from: 28,
    to: 380,
  });
  const six = new Uint8Array(1500);
  six.set([0x60, 0, 0, 0, 1380 >> 8, 1380 & 0xff, 17, 64, 0x20, 1]);
  six.set([0x20, 2], 24);
  six.set([0x9c, 0x41, 0xf2, 0xf9, 1380 >> 8, 1380 & 0xff], 40);
  assert.ok(decodePacket(six, 1420, 62201, datagram6));
  assert.deepEqual(datagram6, {
    family: 6,
    source: address6(0x20, 1),
    destination: address6(0x20, 2),
    sourcePort: 40001,
    interfaceIndex: 0,
    from: 48,
    to: 1420,
  });
  assert.ok(!decodePacket(six, 1419, 62201, datagram6), 'one byte short');
  assert.ok(!decodePacket(six, 1420, 62202, datagram6), 'another port');
  assert.ok(!decodePacket(six, 1420, 62201, datagram), 'another family');
});

test('decoding is total on arbitrary bytes', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 1500 }),
      fc.nat(1600),
      fc.constantFrom(4 as const, 6 as const),
      (bytes, size, family) => {
        decodePacket(bytes, size, 62201, newDatagram(family));
      },
    ),
  );
});

test('addresses that are nobody are no possible source', () => {
  for (const four of [
    address4(0, 0, 0, 1),
    address4(224, 0, 0, 1),
    address4(255, 255, 255, 255),
    address4(240, 0, 0, 1),
  ]) {
    assert.ok(!isPossibleSource(four, 4));
  }
  for (const six of [address6(), address6(0xff, 2), address4(192, 0, 2, 1)]) assert.ok(!isPossibleSource(six, 6));
  assert.ok(isPossibleSource(address4(192, 0, 2, 1), 4));
  assert.ok(isPossibleSource(address4(127, 0, 0, 1), 4));
  assert.ok(isPossibleSource(address6(0x20, 1), 6));
  assert.ok(isPossibleSource(address6(0xfe, 0x80), 6));
});
