import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LineReader } from './lines.ts';

test('lines come out whole, however the stream was cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\n', ' '))),
      fc.array(fc.nat(20)),
      (lines, cuts) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
        const reader = new LineReader(1 << 16);
        const got: string[] = [];
        let at = 0;
        for (const cut of cuts) {
          got.push(...reader.push(bytes.subarray(at, at + cut)));
          at = Math.min(bytes.length, at + cut);
        }
        got.push(...reader.push(bytes.subarray(at)));
        assert.deepEqual(got, lines);
        assert.equal(reader.held, 0);
      },
    ),
  );
});

test('a line of exactly the limit passes and one byte more is an error, also when it comes in pieces', () => {
  const limit = 16;
  const fits = Buffer.from(`${'a'.repeat(limit - 1)}\n`);
  assert.deepEqual(new LineReader(limit).push(fits), ['a'.repeat(limit - 1)]);
  const long = Buffer.from(`${'a'.repeat(limit)}\n`);
  assert.throws(() => new LineReader(limit).push(long), RangeError);
  const pieces = new LineReader(limit);
  assert.deepEqual(pieces.push(long.subarray(0, 10)), []);
  assert.throws(() => pieces.push(long.subarray(10)), RangeError);
});

test('an endless line is refused before it is held', () => {
  const reader = new LineReader(1024);
  for (let i = 0; i < 16; i++) reader.push(Buffer.alloc(64));
  assert.throws(() => reader.push(Buffer.alloc(1)), RangeError);
  assert.ok(reader.held <= 1024);
});
