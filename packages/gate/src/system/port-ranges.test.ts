import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { coarsen, unite, without, type PortRange } from './port-ranges.ts';

const port = fc.nat(300);
const range = fc.tuple(port, port).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));

function portsOf(ranges: readonly PortRange[]): Set<number> {
  return new Set(ranges.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, i) => first + i)));
}

function isCanonical(ranges: readonly PortRange[]): boolean {
  return ranges.every(({ first, last }, i) => first <= last && (i === 0 || first > (ranges[i - 1]?.last ?? 0) + 1));
}

test('united ranges hold the same ports, ascend and do not touch', () => {
  fc.assert(
    fc.property(fc.array(range), (ranges) => {
      const united = unite(ranges);
      assert.deepEqual([...portsOf(united)].sort(), [...portsOf(ranges)].sort());
      assert.ok(isCanonical(united));
    }),
  );
});

test('ports are taken out of ranges and nothing else', () => {
  fc.assert(
    fc.property(fc.array(range), fc.array(port), (ranges, ports) => {
      const left = without(unite(ranges), ports);
      assert.deepEqual(
        [...portsOf(left)],
        [...portsOf(unite(ranges))].filter((it) => !ports.includes(it)),
      );
    }),
  );
});

test('coarser ranges hold every port and none that shall be kept, and are few where that is possible', () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 30 }), fc.nat(5), fc.uniqueArray(port), (ranges, more, keep) => {
      const fine = unite(ranges);
      const before = portsOf(fine);
      const kept = new Set(keep.filter((it) => !before.has(it)));
      const coarse = coarsen(fine, 1 + more, kept);
      assert.ok(isCanonical(coarse));
      const after = portsOf(coarse);
      assert.ok([...before].every((it) => after.has(it)) && ![...kept].some((it) => after.has(it)));
      assert.ok(coarse.length <= Math.max(1 + more, kept.size + 1));
    }),
  );
});
