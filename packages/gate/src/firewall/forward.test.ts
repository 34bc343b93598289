import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MessageWriter } from '../system/netlink.ts';
import { maskedKey, readElements, readTarget, targetData, writeAdd } from './elements.ts';
import { withoutForwardText } from './forward.ts';
import { installText, SETS, TABLE } from './table.ts';

const PLAN = { knockPort: 62201, dropKnocks: true } as const;
const WITH = installText({ ...PLAN, forwards: true });
const WITHOUT = installText(PLAN);

function address(family: 4 | 6, bytes: Uint8Array): Uint8Array {
  if (family === 4) bytes.set([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]);
  else bytes[0] = 0xfd;
  return bytes;
}

const targets = fc.constantFrom(4 as const, 6 as const).chain((family) =>
  fc.record({
    family: fc.constant(family),
    address: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => address(family, bytes)),
    port: fc.nat(65_535),
    masquerade: fc.boolean(),
  }),
);

test('what a map leads to is laid out as nft lays it out', () => {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  const four = address(
    4,
    Uint8Array.from({ length: 16 }, (_, i) => i),
  );
  const target = { address: four, port: 443, masquerade: false };
  assert.equal(hex(targetData(4, target)), '0c0d0e0f' + '01bb0000');
  assert.equal(hex(maskedKey(4, 'udp', target)), '0c0d0e0f' + '11000000' + '01bb0000');
  assert.throws(() => targetData(6, target), RangeError);
  assert.throws(() => targetData(4, { ...target, port: 65_536 }), RangeError);
});

test('a target that is written is read back', () => {
  fc.assert(
    fc.property(targets, ({ family, ...target }) => {
      const writer = new MessageWriter();
      writeAdd(writer, 'to', [{ key: new Uint8Array(12), data: targetData(family, target), timeout: 5000 }]);
      const [element] = readElements(writer.bytes, 20, writer.bytes.length);
      assert.ok(element?.data);
      assert.deepEqual(readTarget(family, element.data), { address: target.address, port: target.port });
      assert.equal(readTarget(family === 4 ? 6 : 4, element.data), undefined);
    }),
    { numRuns: 100 },
  );
});

test('IPv4 and IPv6 have the same maps and rules, and every map is declared, used, and taken away', () => {
  const declared = [...WITH.matchAll(/^ {2}map (\w+)/gm)].map(([, name = '']) => name);
  const used = new Set([...WITH.matchAll(/map @(\w+)/g)].map(([, name = '']) => name));
  assert.deepEqual(new Set(declared), used);
  const of = (family: 4 | 6): string[] =>
    declared.filter((name) => name.includes(String(family))).map((name) => name.replace(String(family), 'N'));
  assert.deepEqual(of(4), of(6));
  const removed = withoutForwardText(TABLE, SETS);
  for (const name of declared) assert.ok(removed.includes(`delete map inet ${TABLE} ${name}\n`), name);
  const chains = (text: string): Set<string> => new Set(text.match(/(?<=^ {2}chain )\w+/gm));
  const added = [...chains(WITH)].filter((name) => !chains(WITHOUT).has(name));
  for (const name of added) assert.ok(removed.includes(`delete chain inet ${TABLE} ${name}\n`), name);
});

test('where nothing is forwarded nothing is translated', () => {
  assert.doesNotMatch(WITHOUT, /type nat|dnat|masquerade|^ {2}map /m);
  assert.match(WITH, /type nat hook prerouting/);
});
