import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KEYED, parseAddress, slotOf, type UnixMicros } from '@postern/protocol';
import type { DoorsFrame, Piece, SentryFrame } from '../line/codec.ts';
import { newPortKnock, type PortKnock } from './decode-port-knock.ts';
import { PortKnocks } from './port-knocks.ts';

const NOW = 1_800_000_000_000_000 as UnixMicros;
const ADA = parseAddress('192.0.2.1') ?? assert.fail();
const HERE = parseAddress('198.51.100.1') ?? assert.fail();
const MICROS = 1000;

class Bench {
  readonly sent: SentryFrame[] = [];
  readonly counted: string[] = [];
  full = false;
  readonly knocks = new PortKnocks({
    send: (frame) => !this.full && this.sent.push(frame) > 0,
    count: (what) => this.counted.push(what),
  });

  hear(
    protocol: PortKnock['protocol'],
    number: number,
    after = 0,
    flags = protocol === 'tcp' ? 2 : 0,
    from = ADA,
  ): void {
    const knock = newPortKnock(4);
    knock.source.set(from);
    knock.destination.set(HERE);
    Object.assign(knock, { protocol, number, port: protocol === 'icmp' ? 0 : number, flags });
    this.knocks.hear(knock, (NOW + after * MICROS) as UnixMicros);
  }

  table(serial: number, ...pieces: readonly Piece[]): void {
    const head = { type: 'doors', serial, pieces: pieces.length } as const;
    const frames: DoorsFrame[] = pieces.map((piece, index) => ({ ...head, index, piece }));
    for (const frame of frames) this.knocks.obey(frame, NOW);
    if (frames.length === 0) this.knocks.obey({ ...head, index: 0, piece: undefined }, NOW);
  }

  sets(slot: number, ordinal: number, first: number): void {
    const numbers = Uint16Array.from({ length: KEYED.numbers }, (_, i) => first + i);
    this.knocks.obey({ type: 'sets', slot, sets: [{ ordinal, numbers }] }, NOW);
  }
}

const piece = (door: number, ...ports: readonly number[]): Piece => ({
  ...{ door, sequence: 0, anyOrder: false, misses: 0, timeout: 5_000, target: undefined },
  steps: ports.map((port) => ({ protocol: 'tcp', port, flagsSet: 0, flagsClear: 0, minGap: 10, maxGap: 2_000 })),
});

test('a door is told of once, with the table that it is in and who knocked where', () => {
  const bench = new Bench();
  bench.table(9, piece(0, 7000, 7001), piece(1, 8000));
  bench.hear('tcp', 7000);
  bench.hear('tcp', 7001, 20);
  assert.deepEqual(bench.sent, [
    { type: 'door', family: 4, door: 0, sequence: 0, serial: 9, source: ADA, destination: HERE },
  ]);
  assert.deepEqual(bench.counted, ['knocks', 'knocks', 'doors']);
});

test('who finishes a sequence again and again is told of eight times, and takes nothing from others or of other doors', () => {
  const bench = new Bench();
  bench.table(9, piece(0, 7000), piece(1, 7001));
  for (let i = 0; i < 5_000; i++) bench.hear('tcp', 7000, i);
  assert.equal(bench.sent.length, 10, '8 at once, one in 2 s, and the events of 5 s');
  assert.equal(bench.counted.filter((what) => what === 'busy').length, 5_000 - bench.sent.length);
  bench.hear('tcp', 7001, 5_000);
  assert.equal(bench.sent.length, 11, 'by the same source at another door');
  bench.hear('tcp', 7000, 5_000, 2, HERE);
  assert.equal(bench.sent.length, 12, 'by another source at the same door');
});

test('gaps are counted in milliseconds on the line: too early is too early', () => {
  const bench = new Bench();
  bench.table(9, piece(0, 7000, 7001));
  bench.hear('tcp', 7000);
  bench.hear('tcp', 7001, 5);
  assert.deepEqual(bench.sent, []);
});

test('a table is taken when it is whole, an empty one too', () => {
  const bench = new Bench();
  bench.table(1, piece(0, 7000));
  bench.knocks.obey({ type: 'doors', serial: 2, index: 0, pieces: 2, piece: piece(0, 8000) }, NOW);
  bench.hear('tcp', 8000);
  assert.equal(bench.sent.length, 0);
  bench.hear('tcp', 7000, 1);
  assert.equal(bench.sent.length, 1);
  bench.table(3);
  bench.hear('tcp', 7000, 2);
  assert.equal(bench.sent.length, 1);
});

test('numbers of a set are told of from the twelfth on, and not after the monitor dropped it', () => {
  const bench = new Bench();
  const slot = slotOf(NOW);
  bench.sets(slot, 5, 2000);
  for (let i = 0; i < KEYED.needed; i++) bench.hear(i % 2 === 0 ? 'udp' : 'icmp', 2000 + i, i);
  assert.equal(bench.sent.length, 1);
  const [event] = bench.sent;
  assert.ok(event?.type === 'knocked');
  assert.deepEqual([event.ordinal, event.slot, event.numbers.length], [5, slot, KEYED.needed]);
  bench.knocks.obey({ type: 'drop', ordinal: 5, slot }, NOW);
  bench.hear('udp', 2000 + KEYED.needed, 20);
  assert.equal(bench.sent.length, 1);
});

test('an answered connection, an echo without data and an impossible source are no keyed knocks', () => {
  const bench = new Bench();
  bench.sets(slotOf(NOW), 5, 2000);
  for (let i = 0; i < KEYED.numbers; i++) bench.hear('tcp', 2000 + i, i, 0x12);
  bench.hear('icmp', -1);
  const nobody = newPortKnock(4);
  nobody.source.set(parseAddress('224.0.0.1') ?? assert.fail());
  bench.knocks.hear(nobody, NOW);
  bench.knocks.hear(undefined, NOW);
  assert.deepEqual(bench.sent, []);
  assert.equal(bench.counted.filter((what) => what === 'strange').length, 2);
});

test('sets of slots that are over are forgotten, and all of them when the clock went back', () => {
  const bench = new Bench();
  const slot = slotOf(NOW);
  bench.sets(slot + 100, 5, 2000);
  bench.sets(slot, 6, 3000);
  for (let i = 0; i < KEYED.numbers; i++) bench.hear('udp', 2000 + i, i);
  assert.deepEqual(bench.sent, []);
  for (let i = 0; i < KEYED.needed; i++) bench.hear('udp', 3000 + i, 100 + i);
  assert.equal(bench.sent.length, 1);
});

test('a line that is full costs the event and is counted', () => {
  const bench = new Bench();
  bench.table(1, piece(0, 7000));
  bench.full = true;
  bench.hear('tcp', 7000);
  assert.deepEqual(bench.counted, ['knocks', 'busy']);
});
