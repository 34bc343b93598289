import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressingOf } from './addressing.ts';
import { ipPacketOf } from './link-layer.ts';
import { LINKS, udp } from './recording.fixture.ts';

const PAYLOAD = new Uint8Array(40).fill(0x41);

test('the IP packet is found on every kind of link', () => {
  for (const [name, linkType, wrap] of LINKS) {
    for (const [source, destination] of [
      ['192.0.2.7', '198.51.100.1'],
      ['2001:db8::7', '2001:db8::1'],
    ] as const) {
      const ip = udp([source, 40_000], [destination, 62_201], PAYLOAD);
      const found = ipPacketOf(linkType, Buffer.from(wrap(ip)));
      if (typeof found === 'string') assert.fail(`${name}: ${found}`);
      assert.deepEqual(new Uint8Array(found.bytes), ip, name);
      assert.deepEqual(
        addressingOf(found),
        { source, destination, sourcePort: 40_000, destinationPort: 62_201, protocol: 'udp' },
        name,
      );
    }
  }
});

test('what is no IP is other, and a link that is not known says so', () => {
  assert.equal(ipPacketOf(1, Buffer.from([...new Uint8Array(12), 8, 6, 0, 1])), 'other');
  assert.equal(ipPacketOf(105, Buffer.alloc(100)), 'link');
});

test('looking for IP packets and addresses is total on arbitrary bytes', () => {
  const types = fc.constantFrom(0, 1, 9, 12, 14, 50, 51, 101, 108, 113, 228, 229, 276, 7);
  fc.assert(
    fc.property(types, fc.uint8Array({ maxLength: 120 }), (linkType, bytes) => {
      const found = ipPacketOf(linkType, Buffer.from(bytes));
      if (typeof found !== 'string') addressingOf(found);
    }),
    { numRuns: 2000 },
  );
});
