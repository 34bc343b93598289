import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAddress } from '@postern/protocol';
import { completeChecksum } from '@postern/testkit/checksum';
import { rawPacket } from './raw-packet.ts';

function address(text: string): Uint8Array {
  const bytes = parseAddress(text);
  assert.ok(bytes !== undefined);
  return bytes;
}

const PAIRS = [
  [address('192.0.2.1'), address('198.51.100.9')],
  [address('2001:db8::1'), address('2001:db8:1::9')],
] as const;

/** The packet in an Ethernet frame, with the length that the kernel fills in. */
function frameOf(packet: Uint8Array): Uint8Array {
  const frame = new Uint8Array(14 + packet.length);
  frame.set(packet, 14);
  const view = new DataView(frame.buffer);
  const four = packet[0] === 0x45;
  view.setUint16(12, four ? 0x0800 : 0x86dd);
  if (four) view.setUint16(16, packet.length);
  return frame;
}

function onesComplement(bytes: Uint8Array): number {
  let total = 0;
  for (let i = 0; i < bytes.length; i += 2) total += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

test('checksums are those that another implementation computes, for any payload', () => {
  const port = fc.integer({ min: 1, max: 65_535 });
  const byte = fc.integer({ min: 0, max: 255 });
  const kind = fc.constantFrom('tcpraw' as const, 'udpraw' as const, 'icmp' as const);
  fc.assert(
    fc.property(
      kind,
      fc.constantFrom(...PAIRS),
      port,
      port,
      byte,
      byte,
      fc.uint8Array({ maxLength: 200 }),
      (...drawn) => {
        const [what, [source, destination], sourcePort, to, icmpType, icmpCode, payload] = drawn;
        const order = { kind: what, source, destination, sourcePort, port: to, icmpType, icmpCode, icmpId: 7, payload };
        const packet = rawPacket(order);
        const six = packet[0] === 0x60;
        const header = six ? 40 : 20;
        assert.deepEqual(packet.subarray(packet.length - payload.length), payload);
        if (what === 'icmp' && !six) {
          assert.equal(onesComplement(packet.subarray(header)), 0xffff);
          return;
        }
        const frame = frameOf(packet);
        const expected = Uint8Array.from(frame);
        completeChecksum(expected);
        assert.deepEqual(frame, expected);
      },
    ),
  );
});

test('a packet has the fields of fwknop’s, and addresses of one family', () => {
  const [source, destination] = PAIRS[0];
  const fields = { source, destination, sourcePort: 4000, port: 62_201, icmpType: 8, icmpCode: 0, icmpId: 1 };
  const payload = new TextEncoder().encode('hello');
  const syn = rawPacket({ ...fields, kind: 'tcpraw', payload });
  const view = new DataView(syn.buffer);
  assert.deepEqual([...syn.subarray(12, 20)], [192, 0, 2, 1, 198, 51, 100, 9]);
  assert.deepEqual([view.getUint8(9), view.getUint16(20), view.getUint16(22)], [6, 4000, 62_201]);
  assert.deepEqual([view.getUint32(24), view.getUint16(32), view.getUint16(34)], [1, 0x5002, 0x7fff]);
  const udp = rawPacket({ ...fields, kind: 'udpraw', payload });
  assert.equal(new DataView(udp.buffer).getUint16(24), 13);
  const echo = rawPacket({ ...fields, kind: 'icmp', payload });
  assert.deepEqual([...echo.subarray(20, 22), ...echo.subarray(24, 28)], [8, 0, 0, 1, 0, 1]);
  assert.throws(() => rawPacket({ ...fields, source: PAIRS[1][0], kind: 'icmp', payload }), RangeError);
});
