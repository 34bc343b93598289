import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MessageWriter } from '../system/netlink.ts';
import {
  endpointAt,
  endpointKey,
  flowKey,
  grantKey,
  grantKeyEnd,
  readComment,
  readElements,
  readGrant,
  writeAdd,
} from './elements.ts';
import type { Endpoint, Source } from './port.ts';

const endpoints: fc.Arbitrary<Endpoint> = fc
  .tuple(fc.constantFrom('tcp' as const, 'udp' as const), fc.nat(65_535))
  .map(([protocol, port]) => ({ protocol, port }));

const sources: fc.Arbitrary<Source> = fc.constantFrom(4 as const, 6 as const).chain((family) =>
  fc.record({
    family: fc.constant(family),
    address: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => {
      if (family === 4) bytes.set([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]);
      return bytes;
    }),
    prefix: fc.nat(family === 4 ? 32 : 128),
  }),
);

test('keys are laid out as nft lays them out', () => {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  const address = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1);
  const ssh = { protocol: 'tcp', port: 22 } as const;
  assert.equal(hex(grantKey({ family: 4, address, prefix: 32 }, ssh)), '0a000001' + '06000000' + '00160000');
  assert.equal(hex(grantKey({ family: 4, address, prefix: 8 }, ssh)), '0a000000' + '06000000' + '00160000');
  assert.equal(hex(grantKeyEnd({ family: 4, address, prefix: 8 }, ssh)), '0affffff' + '06000000' + '00160000');
  assert.equal(hex(grantKey({ family: 6, address, prefix: 128 }, ssh)), `${hex(address)}0600000000160000`);
  assert.equal(hex(endpointKey({ protocol: 'udp', port: 53 })), '11000000' + '00350000');
  const flow = { family: 4, protocol: 'tcp', remoteAddress: address, remotePort: 1024, localPort: 22 } as const;
  assert.equal(hex(flowKey(flow)), '0a000001' + '04000000' + '06000000' + '00160000');
});

test('a grant that is written is read back', () => {
  const id = fc.stringMatching(/^[0-9a-f]{16}$/);
  fc.assert(
    fc.property(sources, endpoints, id, (source, endpoint, comment) => {
      const full = source.prefix === (source.family === 4 ? 32 : 128);
      const key = grantKey(source, endpoint);
      const writer = new MessageWriter();
      writeAdd(writer, 'open', [
        { key, ...(full ? {} : { keyEnd: grantKeyEnd(source, endpoint) }), comment, timeout: 5000 },
      ]);
      const { bytes } = writer;
      const [element, ...more] = readElements(bytes, 20, bytes.length);
      assert.equal(more.length, 0);
      assert.ok(element);
      assert.equal(element.comment, comment);
      const read = readGrant(source.family, element);
      assert.ok(read);
      assert.deepEqual(read.endpoint, endpoint);
      assert.equal(read.source.prefix, source.prefix);
      assert.deepEqual(grantKey(read.source, endpoint), key);
      assert.deepEqual(endpointAt(endpointKey(endpoint), 0), endpoint);
    }),
    { numRuns: 100 },
  );
});

test('no bytes from the kernel make reading throw', () => {
  const writer = new MessageWriter();
  writeAdd(writer, 'open', [{ key: new Uint8Array(12), comment: 'x', timeout: 1 }]);
  const whole = Buffer.from(writer.bytes);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.tuple(fc.nat(whole.length - 1), fc.nat(255)).map(([at, value]) => {
          const changed = Buffer.from(whole);
          changed[at] = value;
          return changed;
        }),
      ),
      (bytes) => {
        const buffer = Buffer.from(bytes);
        for (const element of readElements(buffer, Math.min(20, buffer.length), buffer.length)) {
          readGrant(4, element);
          readGrant(6, element);
        }
        readComment(buffer);
      },
    ),
    { numRuns: 2000 },
  );
});

test('what cannot be a key or a comment is misuse', () => {
  const source: Source = { family: 4, address: new Uint8Array(16), prefix: 32 };
  assert.throws(() => grantKey(source, { protocol: 'tcp', port: -1 }), RangeError);
  assert.throws(() => grantKey({ ...source, address: new Uint8Array(15) }, { protocol: 'tcp', port: 1 }), RangeError);
  const comment = (text: string) => () =>
    writeAdd(new MessageWriter(), 'open', [{ key: new Uint8Array(12), comment: text }]);
  for (const text of ['', 'x'.repeat(129), 'a\0b', 'ä']) assert.throws(comment(text), RangeError);
});
