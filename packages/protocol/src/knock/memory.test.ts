import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UnixMicros } from '../brand.ts';
import { writeU32 } from '../bytes.ts';
import { usedMemory } from '../testdata/used-memory.ts';
import { CLASSIC_LIMITS, ClassicMatcher } from './classic-matcher.ts';
import { KEYED_LIMITS, KeyedMatcher } from './keyed-matcher.ts';
import { SourceTable } from './source-table.ts';

/** Each from a prefix of its own: the hardest for the table. */
function source(number: number): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set([0xff, 0xff], 10);
  writeU32(bytes, 12, number * 256);
  return bytes;
}

test('a table of a million sources takes the bytes that it says, and nothing of the heap', () => {
  const fill = (table: SourceTable, sources: number): void => {
    for (let at = 0; at < sources; at++) if (table.find(source(at)) === undefined) table.add(source(at));
  };
  // Compilers have done their work by then.
  fill(new SourceTable(16_384), 100_000);
  const before = usedMemory();
  const table = new SourceTable(16_384);
  fill(table, 1_000_000);
  const grown = usedMemory() - before;
  assert.equal(table.size, table.capacity);
  assert.ok(grown < 300_000, `${grown} bytes`);
  assert.ok(table.bytes < table.capacity * 104 + 100, `${table.bytes} bytes`);
});

test('keyed knocking: a hundred thousand spoofed sources take the memory that the limits name, and no more', () => {
  const before = usedMemory();
  const matcher = new KeyedMatcher({ ...KEYED_LIMITS, sets: 100 });
  for (let set = 0; set < 100; set++)
    matcher.addSet(
      set,
      0,
      Array.from({ length: 20 }, (_, at) => 20 * set + at),
    );
  for (let at = 0; at < 100_000; at++) matcher.knock(source(at), at % 2000, at as UnixMicros);
  const bytes = usedMemory() - before;
  const { sources, ring } = KEYED_LIMITS;
  assert.equal(matcher.sources, sources);
  assert.ok(bytes < sources * (6 * ring + 10) + 1_500_000, `${bytes} bytes`);
});

test('classic doors: the same of seventy thousand', () => {
  const before = usedMemory();
  const matcher = new ClassicMatcher();
  const step = { protocol: 'tcp', port: 1000, flagsSet: 0, flagsClear: 0, minGap: 10, maxGap: Infinity } as const;
  matcher.setSequences([
    { door: 1, sequence: 1, steps: [step, step], timeout: 1e6, misses: 9, anyOrder: false, target: undefined },
  ]);
  for (let at = 0; at < 70_000; at++) {
    const from = source(at);
    const knock = { source: from, destination: from, protocol: 'tcp', port: 1000, flags: 2 } as const;
    for (let again = 0; again < 2; again++) matcher.knock(knock, (1.7e15 + at + again) as UnixMicros);
  }
  const bytes = usedMemory() - before;
  const { sources, attempts } = CLASSIC_LIMITS;
  assert.ok(matcher.sources <= sources && matcher.attempts > attempts - 3 && matcher.attempts <= attempts);
  assert.ok(bytes < attempts * 8 + 1_000_000, `${bytes} bytes`);
  assert.ok(matcher.bytes < sources * 128 + attempts * 33 + 10_000, `${matcher.bytes} bytes`);
});
