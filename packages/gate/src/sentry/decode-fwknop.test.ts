import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '@postern/protocol';
import fc from 'fast-check';
import { FWKNOP_PAYLOAD } from '../system/fwknop-filter.ts';
import { ADDRESSES, base64Text, fwknopPacket } from '../system/fwknop-packet.fixture.ts';
import { decodeFwknopPacket, newFwknopDatagram, type FwknopDatagram } from './decode-fwknop.ts';

const FAMILIES = [4, 6] as const;
const PROTOCOLS = ['udp', 'tcp', 'icmp'] as const;
const NUMBERS = { udp: { 4: 17, 6: 17 }, tcp: { 4: 6, 6: 6 }, icmp: { 4: 1, 6: 58 } } as const;
const { least, most } = FWKNOP_PAYLOAD;

function decode(family: 4 | 6, bytes: Uint8Array, size = bytes.length): FwknopDatagram | undefined {
  const into = newFwknopDatagram(family);
  return decodeFwknopPacket(bytes, size, into) ? into : undefined;
}

/** What a packet carries, read once more from the text of RFC 791, 8200, 768 and 9293 and as slowly as that: the sizes that every field says must agree. */
function carried(family: 4 | 6, bytes: readonly number[]): readonly number[] | undefined {
  const word = (at: number): number => (bytes[at] ?? NaN) * 256 + (bytes[at + 1] ?? NaN);
  const header = family === 4 ? 20 : 40;
  const whole = family === 4 ? word(2) : word(4) + 40;
  const isPlain =
    family === 4 ? bytes[0] === 0x45 && [0, 0x4000, 0x8000, 0xc000].includes(word(6)) : (bytes[0] ?? 0) >> 4 === 6;
  if (!isPlain || !(whole <= bytes.length)) return undefined;
  const segment = bytes.slice(header, whole);
  const protocol = bytes[family === 4 ? 9 : 6];
  let data: readonly number[] | undefined;
  if (protocol === 17 && word(header + 4) === segment.length) data = segment.slice(8);
  if (protocol === (family === 4 ? 1 : 58)) data = segment.slice(8);
  const words = Math.floor((segment[12] ?? 0) / 16);
  if (protocol === 6 && segment.length >= 20 && words >= 5 && 4 * words <= segment.length)
    data = segment.slice(4 * words);
  return data !== undefined && data.length >= 140 && data.length <= 1500 ? data : undefined;
}

test('addresses, port, transport and payload are found behind every header', () => {
  for (const family of FAMILIES) {
    const [from, to] = ADDRESSES[family].map((text) => parseAddress(text));
    for (const protocol of PROTOCOLS) {
      const payload = base64Text(least);
      const bytes = fwknopPacket({ family, protocol, payload, padding: 6 });
      const found = decode(family, bytes);
      const at = (family === 4 ? 20 : 40) + (protocol === 'tcp' ? 20 : 8);
      assert.deepEqual(found, {
        family,
        source: from,
        destination: to,
        sourcePort: protocol === 'icmp' ? 0 : 40_000,
        interfaceIndex: 0,
        transport: NUMBERS[protocol][family],
        from: at,
        to: at + least,
      });
    }
  }
});

test('a payload has 140 to 1,500 bytes', () => {
  for (const family of FAMILIES) {
    for (const protocol of PROTOCOLS) {
      for (const size of [0, 1, least - 1, least, most, most + 1, 1900]) {
        const found = decode(family, fwknopPacket({ family, protocol, payload: base64Text(size) }));
        assert.equal(found !== undefined, size >= least && size <= most, `${protocol} ${String(size)}`);
      }
    }
  }
});

test("TCP's header has the length that it says, and not more than there is", () => {
  for (const family of FAMILIES) {
    for (let words = 0; words < 16; words++) {
      const bytes = fwknopPacket({ family, protocol: 'tcp', payload: base64Text(least + 40) });
      bytes[(family === 4 ? 20 : 40) + 12] = words << 4;
      const found = decode(family, bytes);
      // 20 bytes of header and 180 of payload: each further word takes 4 of them.
      assert.equal(found !== undefined, words >= 5, String(words));
      assert.equal(
        found === undefined ? undefined : found.to - found.from,
        words >= 5 ? 180 - 4 * (words - 5) : undefined,
      );
    }
    const short = fwknopPacket({ family, protocol: 'tcp', payload: base64Text(least) });
    for (const words of [6, 15]) {
      short[(family === 4 ? 20 : 40) + 12] = words << 4;
      assert.equal(decode(family, short), undefined, 'too few bytes are left');
    }
    const none = fwknopPacket({ family, protocol: 'tcp', payload: new Uint8Array(0), words: 5 });
    none[(family === 4 ? 20 : 40) + 12] = 0xf0;
    assert.equal(decode(family, none), undefined, 'the header ends beyond the end');
  }
});

test('what an earlier and longer packet left in the buffer does not count', () => {
  for (const family of FAMILIES) {
    for (const protocol of PROTOCOLS) {
      const bytes = fwknopPacket({ family, protocol, payload: base64Text(400) });
      for (let size = 0; size < bytes.length; size++)
        assert.equal(decode(family, bytes, size), undefined, `${protocol} ${String(size)}`);
      assert.ok(decode(family, bytes, bytes.length));
      assert.equal(decode(family, bytes, bytes.length + 1), undefined);
    }
  }
});

test('what is refused leaves the datagram as it was', () => {
  const into = newFwknopDatagram(4);
  assert.ok(decodeFwknopPacket(fwknopPacket({ family: 4, protocol: 'udp', payload: base64Text(least) }), 168, into));
  const before = structuredClone(into);
  const other = fwknopPacket({ family: 4, protocol: 'tcp', payload: base64Text(least - 1) });
  other.fill(7, 12, 20);
  assert.ok(!decodeFwknopPacket(other, other.length, into));
  assert.deepEqual(into, before);
});

test('it agrees with the slow twin on every value of every byte of the headers', () => {
  for (const family of FAMILIES) {
    for (const protocol of PROTOCOLS) {
      const payload = base64Text(260);
      const bytes = fwknopPacket({ family, protocol, payload });
      for (let offset = 0; offset < (family === 4 ? 20 : 40) + 20; offset++) {
        const original = bytes[offset] ?? 0;
        for (let value = 0; value < 256; value++) {
          bytes[offset] = value;
          agree(family, bytes);
        }
        bytes[offset] = original;
      }
    }
  }
});

test('it agrees with the slow twin on packets of which anything was changed, and is total', () => {
  let taken = 0;
  const parts = fc.record({
    family: fc.constantFrom(...FAMILIES),
    protocol: fc.constantFrom(...PROTOCOLS),
    size: fc.oneof(fc.integer({ min: 130, max: 220 }), fc.constantFrom(least, most, most + 1)),
    words: fc.integer({ min: 5, max: 15 }),
    padding: fc.nat(3),
    changes: fc.array(fc.tuple(fc.nat(100), fc.nat(255)), { maxLength: 2 }),
    cut: fc.constantFrom(0, 0, 0, 1, 100),
  });
  fc.assert(
    fc.property(parts, ({ family, protocol, size, words, padding, changes, cut }) => {
      const whole = fwknopPacket({ family, protocol, payload: base64Text(size), words, padding });
      for (const [offset, value] of changes) whole[offset] = value;
      if (agree(family, whole.subarray(0, whole.length - cut))) taken++;
    }),
    { numRuns: 3000 },
  );
  assert.ok(taken > 300, `only ${String(taken)} were taken`);
  fc.assert(
    fc.property(fc.constantFrom(...FAMILIES), fc.uint8Array({ maxLength: 1600 }), (family, bytes) => {
      agree(family, bytes);
    }),
  );
});

function agree(family: 4 | 6, bytes: Uint8Array): boolean {
  const found = decode(family, bytes);
  const expected = carried(family, [...bytes]);
  assert.deepEqual(found === undefined ? undefined : [...bytes.subarray(found.from, found.to)], expected);
  return found !== undefined;
}
