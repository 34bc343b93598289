import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FWKNOP_DIGESTS, FWKNOP_MODES } from '@postern/protocol/fwknop';
import { RECEIPT_STATUSES, REFUSALS, type UnixMicros } from '@postern/protocol';
import {
  decodeMonitorFrame,
  decodeSentryFrame,
  encodeMonitorFrame,
  encodeSentryFrame,
  MOST_COUNTERS,
  type MonitorFrame,
  type SentryFrame,
} from './codec.ts';
import {
  FRAME,
  FWKNOP_COUNTERS,
  FWKNOP_MOST,
  KNOCK_COUNTERS,
  MOST_CREDENTIAL_SOURCES,
  MOST_NUMBERS,
  MOST_SETS,
  MOST_STEPS,
  SET_NUMBERS,
  STEP_PROTOCOLS,
} from './frame.ts';
import type { CredentialPiece } from './fwknop-codec.ts';
import type { Piece, Step } from './knock-codec.ts';

/** fast-check makes objects without a prototype by default; decoders do not. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record<T>(model, { noNullPrototype: true });
const bytes = (size: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: size, maxLength: size });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const micros = fc.maxSafeNat().map((value) => value as UnixMicros);
const key = bytes(32).filter((value) => value.some((byte) => byte !== 0));
const maybeKey = fc.option(key, { nil: undefined });

const address = fc.oneof(
  bytes(4).map((v4) => ({
    family: 4 as const,
    address: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...v4),
  })),
  bytes(15).map((v6) => ({ family: 6 as const, address: Uint8Array.of(0x20, ...v6) })),
);

const knocks = fc
  .array(u32, { minLength: KNOCK_COUNTERS.length, maxLength: KNOCK_COUNTERS.length })
  .map((list) => Uint32Array.from(list));
const numbers = (size: { minLength: number; maxLength: number }): fc.Arbitrary<Uint16Array> =>
  fc.uniqueArray(u16, size).map((list) => Uint16Array.from(list));

const printable = (least: number, most: number): fc.Arbitrary<string> =>
  fc
    .array(fc.integer({ min: 0x20, max: 0x7e }), { minLength: least, maxLength: most })
    .map((codes) => String.fromCharCode(...codes));
const port = fc.integer({ min: 1, max: 0xffff });
const fwknopPorts = fc.array(record({ protocol: fc.constantFrom('tcp' as const, 'udp' as const), port }), {
  minLength: 1,
  maxLength: FWKNOP_MOST.ports,
});
const signer = record({ fingerprint: bytes(20), good: fc.boolean() });

const fwknopFrame = record({
  ...{ credential: u16, serial: u16, replayId: bytes(32), time: u32, timeout: fc.integer({ min: 1, max: 0xffffffff }) },
  message: fc.nat(6),
  transport: fc.constantFrom(1, 6, 17, 58),
  from: address,
  asked: fc.option(
    bytes(15).map((rest) => Uint8Array.of(1, ...rest)),
    { nil: undefined },
  ),
  ports: fwknopPorts,
  user: printable(1, FWKNOP_MOST.user),
  nat: record({ host: printable(1, FWKNOP_MOST.host), port }),
  command: printable(1, FWKNOP_MOST.command),
  signers: fc.array(signer, { maxLength: FWKNOP_MOST.signers }),
}).map(({ from: { family, address: source }, message, timeout, ports, nat, command, ...rest }) => ({
  type: 'fwknop' as const,
  ...{ ...rest, family, source, destination: source, message },
  timeout: message === 3 || message === 4 || message === 6 ? timeout : 0,
  ports: message === 0 ? [] : ports,
  nat: message === 2 || message >= 4 ? nat : undefined,
  command: message === 0 ? command : undefined,
}));

const sentryFrame: fc.Arbitrary<SentryFrame> = fc.oneof(
  fwknopFrame,
  fc
    .array(u32, { minLength: FWKNOP_COUNTERS.length, maxLength: FWKNOP_COUNTERS.length })
    .map((list) => ({ type: 'tally' as const, counters: Uint32Array.from(list) })),
  fc.constant({ type: 'ready' as const }),
  record({
    type: fc.constant('report' as const),
    counters: fc.array(u32, { maxLength: MOST_COUNTERS }).map((list) => Uint32Array.from(list)),
    knocks,
  }),
  record({ door: u16, sequence: u16, serial: u16, from: address, last: bytes(4) }).map(
    ({ from: { family, address: source }, last, ...rest }) => {
      const destination = source.slice();
      destination.set(last, 12);
      return { type: 'door' as const, ...rest, family, source, destination };
    },
  ),
  record({
    ordinal: u32,
    slot: fc.maxSafeNat(),
    numbers: numbers({ minLength: 1, maxLength: MOST_NUMBERS }),
    from: address,
  }).map(({ from, ...rest }) => ({
    type: 'knocked' as const,
    ...rest,
    family: from.family,
    source: from.address,
  })),
  record({
    suite: fc.constantFrom(1 as const, 2 as const),
    gateKey: fc.constantFrom(0 as const, 1 as const),
    serial: fc.nat(255),
    id: u32,
    port: u16,
    nonce: bytes(8),
    encHash: bytes(32),
    plaintext: bytes(183),
    knockKey: maybeKey,
    from: address,
  }).map(({ from, ...rest }) => ({ type: 'request' as const, ...rest, ...from })),
);

const step: fc.Arbitrary<Step> = record({
  protocol: fc.constantFrom(...STEP_PROTOCOLS),
  port: fc.integer({ min: 1, max: 0xffff }),
  flagsSet: fc.nat(0x3f),
  flagsClear: fc.nat(0x3f),
  gaps: fc.tuple(u32, u32),
}).map(({ protocol, port, flagsSet, flagsClear, gaps }) => ({
  protocol,
  port: protocol.startsWith('icmp') ? 0 : port,
  flagsSet: protocol === 'tcp' ? flagsSet : 0,
  flagsClear: protocol === 'tcp' ? flagsClear & ~flagsSet : 0,
  minGap: Math.min(...gaps),
  maxGap: Math.max(...gaps),
}));

const piece: fc.Arbitrary<Piece> = record({
  door: u16,
  sequence: u16,
  anyOrder: fc.boolean(),
  misses: u16,
  timeout: u32,
  target: fc.option(bytes(16), { nil: undefined }),
  steps: fc.array(step, { minLength: 1, maxLength: MOST_STEPS }),
});

const keyBytes = (most: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: 1, maxLength: most });
const hmac = fc.option(record({ digest: fc.constantFrom(...FWKNOP_DIGESTS), key: keyBytes(136) }), { nil: undefined });
const credential: fc.Arbitrary<CredentialPiece['credential']> = fc.oneof(
  record({ kind: fc.constant('symmetric' as const), key: keyBytes(32), mode: fc.constantFrom(...FWKNOP_MODES), hmac }),
  record({ kind: fc.constant('gpg' as const), hmac }),
);
const credentialPiece: fc.Arbitrary<CredentialPiece> = record({
  credential,
  sources: fc.option(
    fc.array(record({ address: bytes(16), bits: fc.nat(128) }), { maxLength: MOST_CREDENTIAL_SOURCES }),
    { nil: undefined },
  ),
  unrationed: fc.boolean(),
});

const monitorFrame: fc.Arbitrary<MonitorFrame> = fc.oneof(
  record({
    type: fc.constant('credential' as const),
    serial: u16,
    pieces: fc.integer({ min: 1, max: 0xffff }),
    piece: credentialPiece,
  }).chain((frame) => fc.nat(frame.pieces - 1).map((index) => ({ ...frame, index }))),
  u16.map((serial) => ({ type: 'credential' as const, serial, index: 0, pieces: 0, piece: undefined })),
  record({
    type: fc.constant('doors' as const),
    serial: u16,
    pieces: fc.integer({ min: 1, max: 0xffff }),
    piece,
  }).chain((frame) => fc.nat(frame.pieces - 1).map((index) => ({ ...frame, index }))),
  u16.map((serial) => ({ type: 'doors' as const, serial, index: 0, pieces: 0, piece: undefined })),
  record({ type: fc.constant('drop' as const), ordinal: u32, slot: fc.maxSafeNat() }),
  record({
    type: fc.constant('sets' as const),
    slot: fc.maxSafeNat(),
    sets: fc.array(
      record({
        ordinal: u32,
        numbers: numbers({ minLength: SET_NUMBERS, maxLength: SET_NUMBERS }).map((list) => list.sort()),
      }),
      { minLength: 1, maxLength: MOST_SETS },
    ),
  }),
  record({
    type: fc.constant('setup' as const),
    packet4: fc.boolean(),
    packet6: fc.boolean(),
    udp4: fc.boolean(),
    udp6: fc.boolean(),
    receiveUdp: fc.boolean(),
    knock4: fc.boolean(),
    knock6: fc.boolean(),
    fwknop4: fc.boolean(),
    fwknop6: fc.boolean(),
    gpg: fc.boolean(),
    pqRequired: fc.boolean(),
    port: u16,
    x25519: bytes(32),
    xwing: bytes(32),
  }),
  record({ type: fc.constant('keys' as const), serial: fc.nat(255), current: key, next: maybeKey }),
  record({
    type: fc.constant('verdict' as const),
    status: fc.constantFrom(...RECEIPT_STATUSES),
    id: u32,
    end: micros,
    now: micros,
    era: u32,
    stateId: bytes(8),
    nextKey: maybeKey,
  }),
);

test('every frame of the sentry comes back as it was sent', () => {
  fc.assert(
    fc.property(sentryFrame, (frame) => {
      assert.deepEqual(decodeSentryFrame(encodeSentryFrame(frame)), frame);
    }),
  );
});

test('every frame of the monitor comes back as it was sent', () => {
  fc.assert(
    fc.property(monitorFrame, (frame) => {
      assert.deepEqual(decodeMonitorFrame(encodeMonitorFrame(frame)), frame);
    }),
  );
});

test('what decodes is exactly what an encoder makes of it', () => {
  const almost = fc.tuple(
    fc.oneof(
      sentryFrame.map((frame) => encodeSentryFrame(frame)),
      monitorFrame.map((frame) => encodeMonitorFrame(frame)),
    ),
    fc.array(fc.tuple(fc.nat(FRAME - 1), fc.nat(255)), { maxLength: 3 }),
  );
  fc.assert(
    fc.property(almost, ([frame, changes]) => {
      for (const [offset, value] of changes) frame[offset] = value;
      const sentry = decodeSentryFrame(frame);
      if (sentry !== undefined) assert.deepEqual(encodeSentryFrame(sentry), frame);
      const monitor = decodeMonitorFrame(frame);
      if (monitor !== undefined) assert.deepEqual(encodeMonitorFrame(monitor), frame);
    }),
    { numRuns: 2000 },
  );
});

test('a source of one family in the form of the other is no frame', () => {
  const request = { type: 'request', suite: 1, gateKey: 0, serial: 0, id: 1, port: 2 } as const;
  const fields = {
    nonce: new Uint8Array(8),
    encHash: new Uint8Array(32),
    plaintext: new Uint8Array(183),
    knockKey: undefined,
  };
  const mapped = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1);
  const six = Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
  const decodes = (family: 4 | 6, source: Uint8Array): boolean =>
    decodeSentryFrame(encodeSentryFrame({ ...request, ...fields, family, address: source })) !== undefined;
  assert.deepEqual(
    [decodes(4, mapped), decodes(6, six), decodes(6, mapped), decodes(4, six)],
    [true, true, false, false],
  );
});

test('decoders are total on arbitrary bytes', () => {
  fc.assert(
    fc.property(fc.oneof(bytes(FRAME), fc.uint8Array({ maxLength: 2 * FRAME })), fc.nat(6), (frame, type) => {
      frame[0] = type;
      const sentry = decodeSentryFrame(frame);
      const monitor = decodeMonitorFrame(frame);
      if (frame.length !== FRAME) assert.ok(sentry === undefined && monitor === undefined);
    }),
    { numRuns: 2000 },
  );
});

test('decoded fields do not change with the buffer they came from', () => {
  const buffer = encodeMonitorFrame({ type: 'keys', serial: 9, current: new Uint8Array(32).fill(7), next: undefined });
  const frame = decodeMonitorFrame(buffer);
  buffer.fill(9);
  assert.deepEqual(frame, { type: 'keys', serial: 9, current: new Uint8Array(32).fill(7), next: undefined });
});

test('every refusal has a place in a report', () => {
  assert.ok(REFUSALS.length <= MOST_COUNTERS);
});

test('a frame of numbers that repeat, and sets that do not ascend, are no frames', () => {
  const source = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1);
  const knocked = { type: 'knocked', family: 4, ordinal: 1, slot: 2, source } as const;
  const decodes = (...list: number[]): boolean =>
    decodeSentryFrame(encodeSentryFrame({ ...knocked, numbers: Uint16Array.from(list) })) !== undefined;
  assert.deepEqual([decodes(5, 4), decodes(5, 5), decodes()], [true, false, false]);
  const ascending = Uint16Array.from({ length: SET_NUMBERS }, (_, index) => 1024 + index);
  const set = (list: Uint16Array): boolean =>
    decodeMonitorFrame(encodeMonitorFrame({ type: 'sets', slot: 1, sets: [{ ordinal: 0, numbers: list }] })) !==
    undefined;
  assert.deepEqual([set(ascending), set(ascending.toReversed())], [true, false]);
});
