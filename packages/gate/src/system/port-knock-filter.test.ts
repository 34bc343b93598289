import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodePortKnock, isPureSyn, newPortKnock } from '../sentry/decode-port-knock.ts';
import { MOST_INSTRUCTIONS } from './assembler.ts';
import { packetLoad, runFilter } from './filter-interpreter.ts';
import { KEPT_BYTES, MOST_ADDRESSES, MOST_FLAG_PORTS, portKnockFilter, type PortKnocks } from './port-knock-filter.ts';
import { unite } from './port-ranges.ts';

const HOST = 0;
const OURS = {
  4: [
    [192, 0, 2, 1],
    [198, 51, 100, 7],
  ].map((last) => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...last)),
  6: [1, 2].map((last) => Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last)),
} as const;
const PROTOCOLS = { 4: [6, 17, 1], 6: [6, 17, 58] } as const;

/** A packet as a packet socket gives it. */
function packet(family: 4 | 6, to: Uint8Array, protocol: number, port: number, flags = 2): Uint8Array {
  const next = family === 4 ? 20 : 40;
  const bytes = new Uint8Array(next + 20);
  const view = new DataView(bytes.buffer);
  if (family === 4) {
    bytes.set([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, protocol, 0, 0, 203, 0, 113, 9, ...to.subarray(12)]);
  } else {
    bytes.set([0x60, 0, 0, 0, 0, 20, protocol, 64, 0x20, 1, 0xd, 0xb8, 9]);
    bytes.set(to, 24);
  }
  if (protocol === 1 || protocol === 58) {
    bytes[next] = protocol === 1 ? 8 : 128;
    view.setUint16(next + 8, port);
  } else {
    view.setUint16(next, 40_000);
    view.setUint16(next + 2, port);
    if (protocol === 6) bytes[next + 13] = flags;
  }
  return bytes;
}

function passes(program: Uint8Array, bytes: Uint8Array, type = HOST): boolean {
  const kept = runFilter(program, packetLoad(bytes, type), bytes.length);
  assert.ok(kept === 0 || kept === KEPT_BYTES);
  return kept !== 0;
}

/** What the sentry would say, with the ports that the filter knows: the model of the filter. */
function expected({ family, addresses, deaf, flagPorts, echo }: PortKnocks, bytes: Uint8Array): boolean {
  const knock = newPortKnock(family);
  if (!decodePortKnock(bytes, bytes.length, knock)) return false;
  if (!addresses.some((address) => Buffer.compare(address, knock.destination) === 0)) return false;
  const { protocol, number, flags } = knock;
  if (protocol === 'icmp' || protocol === 'icmpv6') return echo;
  if (protocol === 'tcp' && !isPureSyn(flags) && !flagPorts.includes(number)) return false;
  return !deaf[protocol].some(({ first, last }) => number >= first && number <= last);
}

const range = fc
  .tuple(fc.nat(0xffff), fc.nat(400))
  .map(([first, size]) => ({ first, last: Math.min(0xffff, first + size) }));
const ranges = fc.array(range, { maxLength: 40 }).map(unite);
const plan: fc.Arbitrary<PortKnocks> = fc
  .record(
    {
      family: fc.constantFrom(4 as const, 6 as const),
      tcp: ranges,
      udp: ranges,
      flagPorts: fc.uniqueArray(fc.nat(0xffff), { maxLength: 4 }),
      echo: fc.boolean(),
      addresses: fc.integer({ min: 0, max: 2 }),
    },
    { noNullPrototype: true },
  )
  .map(({ family, tcp, udp, addresses, ...rest }) => ({
    family,
    deaf: { tcp, udp },
    addresses: OURS[family].slice(0, addresses),
    ...rest,
  }));

test('the filter lets through exactly what the sentry takes for a knock at ports that are not deaf', () => {
  let passed = 0;
  const cases = plan.chain((knocks) => {
    const borders = [...knocks.deaf.tcp, ...knocks.deaf.udp].flatMap(({ first, last }) => [
      first - 1,
      first,
      last,
      last + 1,
    ]);
    const near = borders.filter((port) => port >= 0 && port <= 0xffff);
    return fc.record({
      knocks: fc.constant(knocks),
      to: fc.nat(2).map((index) => OURS[knocks.family][index] ?? new Uint8Array(16)),
      protocol: fc.nat(2).map((index) => PROTOCOLS[knocks.family][index] ?? 0),
      port: fc.oneof(fc.nat(0xffff), fc.constantFrom(0, ...near, ...knocks.flagPorts)),
      flags: fc.constantFrom(2, 2, 0xc2, 0x12, 1, 0, 0x3f),
      changes: fc.array(fc.tuple(fc.nat(59), fc.nat(255)), { maxLength: 1 }),
      cut: fc.constantFrom(0, 0, 0, 7, 17, 19, 20, 40),
    });
  });
  fc.assert(
    fc.property(cases, ({ knocks, to, protocol, port, flags, changes, cut }) => {
      const whole = packet(knocks.family, to, protocol, port, flags);
      for (const [offset, value] of changes) whole[offset] = value;
      const bytes = whole.subarray(0, whole.length - cut);
      const pass = passes(portKnockFilter(knocks), bytes);
      if (pass) passed++;
      assert.equal(pass, expected(knocks, bytes));
    }),
    { numRuns: 2000 },
  );
  assert.ok(passed > 100, `only ${String(passed)} packets passed: the generator makes too few knocks`);
});

test('every one of 65,536 ports is found by the search, with hundreds of deaf ranges', () => {
  const tcp = unite(Array.from({ length: 256 }, (_, i) => ({ first: i * 251, last: i * 251 + (i % 200) })));
  const knocks: PortKnocks = { family: 4, addresses: OURS[4], deaf: { tcp, udp: [] }, flagPorts: [], echo: false };
  const program = portKnockFilter(knocks);
  const deaf = new Set(tcp.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, i) => first + i)));
  const bytes = packet(4, OURS[4][1] ?? new Uint8Array(16), 6, 0);
  for (let port = 0; port <= 0xffff; port++) {
    new DataView(bytes.buffer).setUint16(22, port);
    if (passes(program, bytes) === deaf.has(port)) assert.fail(`port ${String(port)}`);
  }
});

test('only packets to this host pass, whatever they hold: not broadcast, multicast, others, outgoing', () => {
  for (const family of [4, 6] as const) {
    const program = portKnockFilter({
      family,
      addresses: OURS[family],
      deaf: { tcp: [], udp: [] },
      flagPorts: [],
      echo: true,
    });
    for (const protocol of PROTOCOLS[family]) {
      const knock = packet(family, OURS[family][0] ?? new Uint8Array(16), protocol, 7000);
      assert.ok(passes(program, knock));
      for (const type of [1, 2, 3, 4]) assert.ok(!passes(program, knock, type));
    }
  }
});

test('a later fragment, IPv4 options, an IPv6 extension header and an answered connection are no knocks; a first fragment is', () => {
  const four = portKnockFilter({
    family: 4,
    addresses: OURS[4],
    deaf: { tcp: [], udp: [] },
    flagPorts: [],
    echo: true,
  });
  const knock = (protocol: number, at: number, value: number): boolean => {
    const bytes = packet(4, OURS[4][0] ?? new Uint8Array(16), protocol, 7000);
    bytes[at] = value;
    return passes(four, bytes);
  };
  assert.deepEqual(
    [knock(17, 6, 0x20), knock(17, 7, 1), knock(17, 6, 0x10), knock(6, 0, 0x46)],
    [true, false, false, false],
  );
  assert.deepEqual(
    [knock(6, 33, 0x12), knock(6, 33, 0x10), knock(6, 33, 0x04), knock(1, 20, 0)],
    [false, false, false, false],
  );
  const six = portKnockFilter({ family: 6, addresses: OURS[6], deaf: { tcp: [], udp: [] }, flagPorts: [], echo: true });
  assert.ok(!passes(six, packet(6, OURS[6][0] ?? new Uint8Array(16), 44, 7000)));
});

test('the filter and the sentry agree on arbitrary bytes', () => {
  fc.assert(
    fc.property(plan, fc.uint8Array({ maxLength: 120 }), (knocks, bytes) => {
      assert.equal(passes(portKnockFilter(knocks), bytes), expected(knocks, bytes));
    }),
    { numRuns: 500 },
  );
});

test('what is bounded fits the kernel: addresses, flags, and 256 deaf ranges of each protocol', () => {
  const many = unite(Array.from({ length: 256 }, (_, i) => ({ first: 200 * i, last: 200 * i })));
  const addresses = Array.from({ length: MOST_ADDRESSES }, (_, i) => new Uint8Array(16).fill(i + 1));
  const flagPorts = Array.from({ length: MOST_FLAG_PORTS }, (_, i) => 3 * i + 1);
  for (const family of [4, 6] as const) {
    const knocks = { family, addresses, deaf: { tcp: many, udp: many }, flagPorts, echo: true };
    assert.ok(portKnockFilter(knocks).length / 8 <= MOST_INSTRUCTIONS);
    assert.throws(() => portKnockFilter({ ...knocks, addresses: [...addresses, new Uint8Array(16)] }), RangeError);
    assert.throws(() => portKnockFilter({ ...knocks, flagPorts: [...flagPorts, 1] }), RangeError);
  }
});
