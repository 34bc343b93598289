import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress, parsePrefix } from '@postern/protocol';
import fc from 'fast-check';
import type { MappedPrefix } from '../line/fwknop-codec.ts';
import { isAmong, isWithin } from './fwknop-sources.ts';

const address = fc.uint8Array({ minLength: 16, maxLength: 16 });

/** The bits of an address as text. */
function bits(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
}

function mapped(text: string): MappedPrefix {
  const { family, address: bytes, prefix } = parsePrefix(text) ?? assert.fail(text);
  return { address: bytes, bits: family === 4 ? 96 + prefix : prefix };
}

test('an address is within a prefix whose bits it begins with', () => {
  const near = address.chain((bytes) =>
    fc.record({
      prefix: fc.record({ address: fc.constant(bytes), bits: fc.nat(128) }),
      other: fc.oneof(
        address,
        fc.nat(127).map((bit) => {
          const flipped = bytes.slice();
          flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
          return flipped;
        }),
        fc.constant(bytes.slice()),
      ),
    }),
  );
  let within = 0;
  fc.assert(
    fc.property(near, ({ prefix, other }) => {
      const expected = bits(other).startsWith(bits(prefix.address).slice(0, prefix.bits));
      assert.equal(isWithin(other, prefix), expected);
      if (expected) within++;
    }),
    { numRuns: 2000 },
  );
  assert.ok(within > 200);
});

test('an IPv4 prefix holds no IPv6 address, not even 0.0.0.0/0; and no sources at all are not any source', () => {
  const [four, six] = [parseAddress('192.0.2.7'), parseAddress('2001:db8::7')];
  assert.ok(four !== undefined && six !== undefined);
  assert.deepEqual([isAmong(four, [mapped('0.0.0.0/0')]), isAmong(six, [mapped('0.0.0.0/0')])], [true, false]);
  assert.deepEqual([isAmong(four, [mapped('2001:db8::/32')]), isAmong(six, [mapped('2001:db8::/32')])], [false, true]);
  assert.ok(isAmong(four, [mapped('198.51.100.0/24'), mapped('192.0.2.7/32')]));
  assert.deepEqual([isAmong(four, undefined), isAmong(four, [])], [true, false]);
});
