import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { attributes, MessageWriter, NetlinkSocket, NLM_F } from './netlink.ts';

test('a message has its length, type, flags, sequence and family where the kernel looks for them', () => {
  const writer = new MessageWriter();
  const sequence = writer.begin(12, NLM_F.create, 1);
  writer.text(1, 'postern');
  writer.u32(2, 0x01020304);
  writer.u64(4, 2 ** 40 + 1);
  writer.end();
  writer.acknowledge();
  const { bytes } = writer;
  assert.equal(bytes.readUInt32LE(0), bytes.length);
  assert.equal(bytes.readUInt16LE(4), 0x0a0c);
  assert.equal(bytes.readUInt16LE(6), NLM_F.request | NLM_F.create | NLM_F.ack);
  assert.equal(bytes.readUInt32LE(8), sequence);
  assert.equal(bytes[16], 1);
  assert.equal(
    bytes.subarray(20).toString('hex'),
    '0c000100' + '706f737465726e00' + '08000200' + '01020304' + '0c000400' + '0000010000000001',
  );
});

test('attributes that are written are read back, padded to four bytes, nested as they were', () => {
  const values = fc.array(fc.tuple(fc.integer({ min: 1, max: 100 }), fc.uint8Array({ maxLength: 50 })), {
    maxLength: 20,
  });
  fc.assert(
    fc.property(values, (all) => {
      const writer = new MessageWriter();
      writer.begin(1, 0, 1);
      const nest = writer.beginNest(7);
      for (const [type, value] of all) writer.data(type, value);
      writer.endNest(nest);
      writer.end();
      const { bytes } = writer;
      assert.equal(bytes.length % 4, 0);
      const [outer, ...more] = attributes(bytes, 20, bytes.length);
      assert.equal(more.length, 0);
      assert.ok(outer);
      assert.equal(outer.type, 7);
      const inner = attributes(bytes, outer.start, outer.end);
      assert.deepEqual(
        inner.map(({ type, start, end }) => [type, Uint8Array.from(bytes.subarray(start, end))]),
        all,
      );
    }),
  );
});

test('a socket that was closed takes nothing more: its number may be another descriptor by then', () => {
  const socket = new NetlinkSocket();
  socket[Symbol.dispose]();
  const next = openSync('/dev/null', 'r');
  socket[Symbol.dispose]();
  const writer = new MessageWriter();
  const sequence = writer.begin(16, NLM_F.ack, 0);
  writer.end();
  assert.throws(() => socket.exchange(writer, sequence, sequence), { code: 'EBADF' });
  closeSync(next);
});

test('any bytes are attributes that lie within them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      for (const { start, end } of attributes(Buffer.from(bytes), 0, bytes.length)) {
        assert.ok(start <= end && end <= bytes.length);
      }
    }),
  );
});

test('what does not fit is noticed, and the writer can be used again', () => {
  const writer = new MessageWriter();
  writer.beginBatch();
  for (let i = 0; i < 40; i++) {
    writer.begin(12, 0, 1);
    writer.data(1, new Uint8Array(30_000));
    writer.end();
  }
  writer.endBatch();
  assert.equal(writer.overflow, true);
  writer.reset();
  assert.equal(writer.overflow, false);
  writer.begin(1, 0, 0);
  writer.end();
  assert.equal(writer.bytes.length, 20);
});

test('a nest of 64 KiB or more is misuse', () => {
  const writer = new MessageWriter();
  writer.begin(12, 0, 1);
  const nest = writer.beginNest(1);
  for (let i = 0; i < 3; i++) writer.data(1, new Uint8Array(30_000));
  assert.throws(() => {
    writer.endNest(nest);
  }, RangeError);
});
