import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FRAME } from './frame.ts';
import { Reassembler } from './reassembler.ts';

test('frames come out whole and in order, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 0, maxLength: 5 * FRAME }),
      fc.array(fc.integer({ min: 1, max: 2 * FRAME }), { minLength: 1, maxLength: 50 }),
      (stream, cuts) => {
        const frames: Uint8Array[] = [];
        const reassembler = new Reassembler((frame) => frames.push(frame.slice()));
        for (let offset = 0, cut = 0; offset < stream.length; cut++) {
          const size = cuts[cut % cuts.length] ?? 1;
          reassembler.push(stream.subarray(offset, offset + size));
          offset += size;
        }
        const whole = Math.floor(stream.length / FRAME);
        assert.equal(frames.length, whole);
        assert.deepEqual(Buffer.concat(frames), Buffer.from(stream.subarray(0, whole * FRAME)));
        assert.equal(reassembler.pending, stream.length % FRAME);
      },
    ),
  );
});

test('what is cut out of a frame is a copy, also where pieces come in one Buffer that is used again', () => {
  const kept: Uint8Array[] = [];
  const reassembler = new Reassembler((frame) => kept.push(frame.slice(0, 4)));
  const buffer = Buffer.alloc(2 * FRAME);
  for (const [mark, size] of [
    [1, FRAME],
    [2, 2 * FRAME],
    [4, FRAME / 2],
    [4, FRAME / 2],
    [5, FRAME],
  ] as const)
    reassembler.push(buffer.fill(mark).subarray(0, size));
  assert.deepEqual(
    kept.map(([first]) => first),
    [1, 2, 2, 4, 5],
  );
});
