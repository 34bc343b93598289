import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import process from 'node:process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { inNamespace } from '@postern/testkit/in-namespace';
import { Namespace, namespacesAvailable } from '@postern/testkit/namespace';
import fc from 'fast-check';
import { decodeFwknopPacket, newFwknopDatagram } from '../sentry/decode-fwknop.ts';
import { Assembler, MOST_INSTRUCTIONS } from './assembler.ts';
import { packetLoad, runFilter } from './filter-interpreter.ts';
import { FWKNOP_PAYLOAD, fwknopDatagram, fwknopFilter, type FwknopPorts } from './fwknop-filter.ts';
import { base64Text, fwknopPacket } from './fwknop-packet.fixture.ts';
import * as libc from './libc.ts';
import { PacketSocket } from './packet-socket.ts';
import { unite } from './port-ranges.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';
const HOST = 0;
const WHOLE = 0xffff_ffff;
const { least, most } = FWKNOP_PAYLOAD;

function passes(program: Uint8Array, bytes: Uint8Array, type = HOST): boolean {
  const kept = runFilter(program, packetLoad(bytes, type), bytes.length);
  assert.ok(kept === 0 || kept === WHOLE);
  return kept !== 0;
}

/** What the sentry would say of a packet, with the ports that the filter knows and the alphabet. */
function heard({ family, udp, tcp, icmp }: FwknopPorts, bytes: Uint8Array): boolean {
  const datagram = newFwknopDatagram(family);
  if (!decodeFwknopPacket(bytes, bytes.length, datagram)) return false;
  const { transport, from } = datagram;
  const port = new DataView(bytes.buffer, bytes.byteOffset).getUint16((family === 4 ? 20 : 40) + 2);
  const among = (ranges: FwknopPorts['udp']): boolean =>
    ranges.some(({ first, last }) => first <= port && port <= last);
  if (transport === 6) return among(tcp);
  if (transport === 17 ? !among(udp) : !icmp) return false;
  return /^[A-Za-z0-9+/]{8}$/.test(Buffer.from(bytes.subarray(from, from + 8)).toString('latin1'));
}

const range = fc
  .tuple(fc.nat(0xffff), fc.nat(400))
  .map(([first, size]) => ({ first, last: Math.min(0xffff, first + size) }));
const ranges = fc.array(range, { maxLength: 30 }).map(unite);
const plan: fc.Arbitrary<FwknopPorts> = fc.record({
  family: fc.constantFrom(4 as const, 6 as const),
  udp: ranges,
  tcp: ranges,
  icmp: fc.boolean(),
});
const sizes = fc.oneof(fc.integer({ min: least, max: 400 }), fc.constantFrom(0, least - 1, least, most, most + 1));

test('whatever the sentry takes, at a port that is heard and of text, passes; of packets whose lengths agree nothing else does', () => {
  let passed = 0;
  const cases = plan.chain((ports) => {
    const borders = [...ports.udp, ...ports.tcp].flatMap(({ first, last }) => [first - 1, first, last, last + 1]);
    const near = borders.filter((port) => port >= 0 && port <= 0xffff);
    return fc.record({
      ports: fc.constant(ports),
      protocol: fc.constantFrom('udp' as const, 'tcp' as const, 'icmp' as const),
      port: fc.constantFrom(0, 62201, ...near),
      size: sizes,
      words: fc.integer({ min: 5, max: 15 }),
      padding: fc.constantFrom(0, 0, 6),
      text: fc.option(fc.tuple(fc.nat(7), fc.nat(255)), { nil: undefined }),
    });
  });
  fc.assert(
    fc.property(cases, ({ ports, protocol, port, size, words, padding, text }) => {
      const payload = base64Text(size);
      if (text !== undefined && text[0] < size) payload[text[0]] = text[1];
      const bytes = fwknopPacket({ family: ports.family, protocol, port, payload, words, padding });
      const pass = passes(fwknopFilter(ports), bytes);
      if (pass) passed++;
      // TCP alone: how long its header is the kernel does not look up.
      const loose = protocol === 'tcp' && pass && (size < least || size > most);
      assert.equal(pass, loose || heard(ports, bytes));
    }),
    { numRuns: 2000 },
  );
  assert.ok(passed > 200, `only ${String(passed)} packets passed: the generator makes too few`);
});

test('nothing that the sentry takes is kept back, whatever single byte of the headers changes', () => {
  const everything = [{ first: 0, last: 0xffff }];
  for (const family of [4, 6] as const) {
    const ports = { family, udp: everything, tcp: everything, icmp: true };
    const program = fwknopFilter(ports);
    for (const protocol of ['udp', 'tcp', 'icmp'] as const) {
      const bytes = fwknopPacket({ family, protocol, payload: base64Text(300) });
      for (let offset = 0; offset < (family === 4 ? 20 : 40) + 28; offset++) {
        const original = bytes[offset] ?? 0;
        for (let value = 0; value < 256; value++) {
          bytes[offset] = value;
          if (heard(ports, bytes)) assert.ok(passes(program, bytes), `${protocol} ${String(offset)} ${String(value)}`);
        }
        bytes[offset] = original;
      }
    }
  }
});

test('every byte is text or none, as in RFC 4648', () => {
  const program = fwknopFilter({ family: 4, udp: [{ first: 62201, last: 62201 }], tcp: [], icmp: false });
  for (let at = 0; at < 9; at++) {
    for (let value = 0; value < 256; value++) {
      const payload = base64Text(least);
      payload[at] = value;
      const isText = /[A-Za-z0-9+/]/.test(String.fromCharCode(value));
      const bytes = fwknopPacket({ family: 4, protocol: 'udp', payload });
      assert.equal(passes(program, bytes), at === 8 || isText, `${String(at)} ${String(value)}`);
    }
  }
});

test('only packets to this host pass: not broadcast, multicast, others, outgoing; and no options, fragments, extension headers', () => {
  const everything = [{ first: 0, last: 0xffff }];
  const changes: readonly [4 | 6, number, number][] = [
    [4, 0, 0x46],
    [4, 0, 0x65],
    [4, 6, 0x20],
    [4, 6, 0x10],
    [4, 7, 1],
    [4, 9, 47],
    [6, 0, 0x45],
    [6, 6, 0],
    [6, 6, 43],
    [6, 6, 44],
    [6, 6, 60],
    [6, 6, 1],
  ];
  for (const family of [4, 6] as const) {
    const program = fwknopFilter({ family, udp: everything, tcp: everything, icmp: true });
    for (const protocol of ['udp', 'tcp', 'icmp'] as const) {
      const bytes = (): Uint8Array => fwknopPacket({ family, protocol, payload: base64Text(least) });
      assert.ok(passes(program, bytes()));
      for (const type of [1, 2, 3, 4]) assert.ok(!passes(program, bytes(), type));
      for (const [, offset, value] of changes.filter(([its]) => its === family)) {
        const changed = bytes();
        changed[offset] = value;
        assert.ok(!passes(program, changed), `${protocol} ${String(offset)} ${String(value)}`);
      }
    }
  }
});

test('the filter is total on arbitrary bytes, and keeps back nothing of them that the sentry takes', () => {
  fc.assert(
    fc.property(plan, fc.uint8Array({ maxLength: 300 }), (ports, bytes) => {
      if (!passes(fwknopFilter(ports), bytes)) assert.ok(!heard(ports, bytes));
    }),
    { numRuns: 500 },
  );
});

test('a datagram socket lets through text of the same sizes', () => {
  const assembler = new Assembler();
  fwknopDatagram(assembler);
  const program = assembler.bytes();
  for (const size of [0, least - 1, least, most, most + 1]) {
    const datagram = fwknopPacket({ family: 4, protocol: 'udp', payload: base64Text(size) }).subarray(20);
    assert.equal(passes(program, datagram), size >= least && size <= most, String(size));
    if (size === 0) continue;
    datagram[8] = 0x3d;
    assert.ok(!passes(program, datagram));
  }
});

test('hundreds of ports fit the kernel, and each is found', () => {
  const many = (from: number): FwknopPorts['udp'] =>
    Array.from({ length: 500 }, (_, index) => ({ first: from + 100 * index, last: from + 100 * index }));
  const ports = { udp: many(7), tcp: many(9), icmp: true };
  for (const family of [4, 6] as const) {
    const program = fwknopFilter({ family, ...ports });
    assert.ok(program.length / 8 <= MOST_INSTRUCTIONS, String(program.length / 8));
    for (const [protocol, rest] of [
      ['udp', 7],
      ['tcp', 9],
    ] as const) {
      for (const port of Array.from({ length: 655 }, (_, index) => 100 * index + 6 + (index % 5))) {
        const bytes = fwknopPacket({ family, protocol, port, payload: base64Text(least) });
        assert.equal(passes(program, bytes), port % 100 === rest && port < 50_000, `${protocol} ${String(port)}`);
      }
    }
  }
  const usual = { udp: [{ first: 62201, last: 62201 }], tcp: [], icmp: false };
  assert.ok(fwknopFilter({ family: 4, ...usual }).length / 8 < 120);
});

test('the kernel takes the program, and gives what passes it', { skip, timeout: 30_000 }, async () => {
  using place = new Namespace('fwknop-filter');
  await inNamespace(place, async () => {
    using socket = new PacketSocket(4);
    const many = Array.from({ length: 200 }, (_, index) => ({ first: 1000 + 2 * index, last: 1000 + 2 * index }));
    assert.ok(socket.hear(fwknopFilter({ family: 4, udp: many, tcp: many, icmp: true })));
    assert.ok(
      socket.hear(
        fwknopFilter({ family: 4, udp: [{ first: 62201, last: 62201 }], tcp: [{ first: 80, last: 80 }], icmp: true }),
      ),
    );
    const sender = createSocket('udp4');
    const send = (payload: Uint8Array, port: number): Promise<void> =>
      new Promise((done) => {
        sender.send(payload, port, '127.0.0.1', () => {
          done();
        });
      });
    const strange = base64Text(200);
    strange[3] = 0x3d;
    // The last one says that the others were there to be read.
    for (const [payload, port] of [
      [base64Text(least - 1), 62201],
      [base64Text(most + 1), 62201],
      [base64Text(200), 62202],
      [strange, 62201],
      [base64Text(least), 62201],
      [base64Text(most), 62201],
    ] as const)
      await send(payload, port);
    await sleep(100);
    sender.close();
    const buffer = libc.fixedBytes(2048);
    const got: number[] = [];
    for (;;) {
      const size = libc.receive(socket.fd, buffer, libc.SOCKET.MSG_DONTWAIT);
      if (size <= 0) break;
      const datagram = newFwknopDatagram(4);
      // What answers is ICMP about what came, without a listener: its text is that of the datagram behind other headers.
      if (decodeFwknopPacket(buffer, size, datagram) && datagram.transport === 17)
        got.push(datagram.to - datagram.from);
    }
    assert.deepEqual(got, [least, most]);
  });
});
