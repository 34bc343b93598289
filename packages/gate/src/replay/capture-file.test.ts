import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat } from '@postern/protocol';
import fc from 'fast-check';
import { ByteSource } from './byte-source.ts';
import { readCapture } from './capture-file.ts';
import type { CaptureProblem } from './capture.ts';
import {
  block,
  enhanced,
  interfaceBlock,
  pcap,
  pcapng,
  section,
  simple,
  type Form,
  type Recorded,
} from './recording.fixture.ts';

interface Read {
  readonly time: number | undefined;
  readonly linkType: number;
  readonly bytes: Uint8Array;
  readonly length: number;
}

/** Reads a whole file, at most `step` bytes at a time. */
function read(file: Uint8Array, step = 1 << 16): { packets: Read[]; problem: CaptureProblem | undefined } {
  let at = 0;
  const source = new ByteSource((into) => {
    const part = file.subarray(at, at + Math.min(step, into.length));
    into.set(part);
    at += part.length;
    return part.length;
  });
  const packets: Read[] = [];
  const capture = readCapture(source);
  for (;;) {
    const next = capture.next();
    if (next.done === true) return { packets, problem: next.value };
    packets.push({ ...next.value, bytes: new Uint8Array(next.value.bytes) });
  }
}

const forms: fc.Arbitrary<Form> = fc.record({ little: fc.boolean(), nanos: fc.boolean(), linkType: fc.nat(0xffff) });
const recorded: fc.Arbitrary<Recorded> = fc
  .record({ time: fc.nat(4_294_967_295_999_999), bytes: fc.uint8Array({ maxLength: 200 }), more: fc.nat(9000) })
  .map(({ time, bytes, more }) => ({ time, bytes, length: bytes.length + more }));
const writers = fc.constantFrom(pcap, pcapng);

test('what was written is read, in every form and however few bytes come at a time', () => {
  fc.assert(
    fc.property(
      forms,
      fc.array(recorded, { maxLength: 8 }),
      writers,
      fc.integer({ min: 1, max: 300 }),
      (form, packets, write, step) => {
        const { packets: came, problem } = read(write(form, packets), step);
        assert.equal(problem, undefined);
        assert.deepEqual(
          came,
          packets.map((packet) => ({ ...packet, linkType: form.linkType })),
        );
      },
    ),
  );
});

test('a file that ends too early gives the packets before, and says where the rest begins', () => {
  fc.assert(
    fc.property(
      forms,
      fc.array(recorded, { minLength: 1, maxLength: 4 }),
      writers,
      fc.nat(),
      (form, packets, write, cut) => {
        const whole = write(form, packets);
        const kept = cut % whole.length;
        const { packets: came, problem } = read(whole.subarray(0, kept));
        assert.deepEqual(came, read(whole).packets.slice(0, came.length));
        if (problem === undefined) return;
        assert.equal(problem.reason, 'truncated');
        assert.ok(problem.offset <= kept);
        assert.deepEqual(read(whole.subarray(0, problem.offset)).packets, came, 'everything before it was read');
      },
    ),
  );
});

test('reading is total on arbitrary bytes, also behind a beginning that is right', () => {
  const form = { little: true, nanos: false, linkType: 1 };
  const beginnings = fc.constantFrom(new Uint8Array(0), pcap(form, []), pcapng(form, []), section(false));
  fc.assert(
    fc.property(beginnings, fc.uint8Array({ maxLength: 400 }), (beginning, rest) => {
      read(concat(beginning, rest));
    }),
    { numRuns: 1000 },
  );
});

test('a file with some bytes changed is read to an end', () => {
  fc.assert(
    fc.property(
      forms,
      fc.array(recorded, { minLength: 1, maxLength: 4 }),
      writers,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      (form, packets, write, changes) => {
        const file = write(form, packets);
        for (const [at, value] of changes) file[at % file.length] = value;
        read(file);
      },
    ),
    { numRuns: 1000 },
  );
});

const BYTES = Uint8Array.of(1, 2, 3, 4, 5);

test('interfaces count time as they say, in powers of ten and of two and from another second on', () => {
  for (const little of [true, false]) {
    const file = concat(
      section(little),
      interfaceBlock(little, 1),
      interfaceBlock(little, 101, { resolution: 0 }),
      interfaceBlock(little, 113, { resolution: 12 }),
      interfaceBlock(little, 276, { resolution: 0x80 | 20, offset: 1_000n }),
      enhanced(little, 0, 5_000_001n, BYTES),
      enhanced(little, 1, 7n, BYTES),
      enhanced(little, 2, 9_000_000_000_000n, BYTES),
      enhanced(little, 3, 3n << 19n, BYTES),
    );
    const { packets, problem } = read(file);
    assert.equal(problem, undefined);
    assert.deepEqual(
      packets.map(({ time, linkType }) => [time, linkType]),
      [
        [5_000_001, 1],
        [7_000_000, 101],
        [9_000_000, 113],
        [1_001_500_000, 276],
      ],
    );
  }
});

test('a time before 1970 or after 2106 is none', () => {
  const file = concat(
    section(true),
    interfaceBlock(true, 1, { offset: -10n }),
    enhanced(true, 0, 1n, BYTES),
    enhanced(true, 0, (1n << 64n) - 1n, BYTES),
  );
  assert.deepEqual(
    read(file).packets.map(({ time }) => time),
    [undefined, undefined],
  );
});

test('a simple packet has no time, and is as long as its interface records', () => {
  const file = concat(
    section(false),
    interfaceBlock(false, 1, { most: 5 }),
    simple(false, BYTES, 60),
    simple(false, BYTES.subarray(0, 3)),
  );
  assert.deepEqual(read(file).packets, [
    { time: undefined, linkType: 1, bytes: BYTES, length: 60 },
    { time: undefined, linkType: 1, bytes: BYTES.subarray(0, 3), length: 3 },
  ]);
});

test('a section has its own byte order and interfaces', () => {
  const first = concat(section(true), interfaceBlock(true, 1), enhanced(true, 0, 1n, BYTES));
  const second = concat(section(false), interfaceBlock(false, 101), enhanced(false, 0, 2n, BYTES));
  const { packets, problem } = read(concat(first, second, section(true), enhanced(true, 0, 3n, BYTES)));
  assert.deepEqual(
    packets.map(({ linkType }) => linkType),
    [1, 101],
  );
  assert.deepEqual(problem, { reason: 'interface', offset: first.length + second.length + 28 });
});

test('what is wrong is named, with its place', () => {
  const form = { little: true, nanos: false, linkType: 1 };
  const packet = { time: 1, bytes: BYTES };
  const long = pcap(form, [packet, packet]);
  new DataView(long.buffer).setUint32(24 + 21 + 8, 262_145, true);
  assert.deepEqual(read(long).problem, { reason: 'size', offset: 45 });
  const later = pcap(form, [packet]);
  later[4] = 3;
  assert.deepEqual(read(later).problem, { reason: 'version', offset: 0 });
  assert.deepEqual(read(new TextEncoder().encode('GET / HTTP/1.1')).problem, { reason: 'unknown', offset: 0 });
  assert.deepEqual(read(new Uint8Array(0)).problem, { reason: 'truncated', offset: 0 });
  const other = block(true, 5, new Uint8Array(8));
  other[other.length - 4] = 24;
  assert.deepEqual(read(concat(section(true), other)).problem, { reason: 'block', offset: 28 });
});
