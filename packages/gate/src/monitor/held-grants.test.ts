import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Grant } from './grant.ts';
import { endpoint, GrantBench, source } from './grants.fixture.ts';
import { firstHeld, heldGrants, type HeldContext } from './held-grants.ts';
import { finish } from './leisure.ts';

function address(index: number): string {
  return `10.0.${String(index >> 8)}.${String(index & 255)}`;
}

/** A bench with grants, each for an address of its own; those with `once` are for one connection. */
function benchWith(once: readonly boolean[]): { bench: GrantBench; grants: Grant[]; context: HeldContext } {
  const bench = new GrantBench();
  const grants = once.map((single, index) => {
    const wanted = bench.wanted({ device: `d${String(index % 7)}`, from: address(index), once: single });
    const opened = bench.book.open(wanted, bench.now);
    assert.ok(opened.ok);
    return opened.value;
  });
  bench.firewall.list = () => assert.fail('a listing of all sets takes as long as many knocks');
  return { bench, grants, context: { grants: bench.book, firewall: bench.firewall, clock: () => bench.now } };
}

function idsOf(grants: Iterable<Grant | undefined>): string[] {
  return [...grants].flatMap((grant) => grant?.id ?? []).sort();
}

function uses(bench: GrantBench, index: number): void {
  assert.ok(bench.connects(address(index), 'tcp/22'));
}

test('timed grants stand until they end, single connections until they are used, and the kernel is asked about these alone', () => {
  const { bench, grants, context } = benchWith(Array.from({ length: 200 }, (_, index) => index % 2 === 1));
  for (const used of [1, 3, 199]) uses(bench, used);
  const asked: number[] = [];
  const armed = bench.firewall.armed.bind(bench.firewall);
  bench.firewall.armed = (places) => {
    asked.push(places.length);
    return armed(places);
  };
  const expected = grants.filter((_, index) => ![1, 3, 199].includes(index)).map(({ id }) => id);
  assert.deepEqual(idsOf(heldGrants(context)), expected.sort());
  assert.equal(
    asked.reduce((sum, places) => sum + places, 0),
    100,
  );
  assert.ok(Math.max(...asked) <= 32, 'and about few at a time');
  bench.pass(31);
  assert.deepEqual(idsOf(heldGrants(context)), []);
});

test('a place that another grant has by now does not count for the one that had it', () => {
  const { bench, grants, context } = benchWith([true]);
  const [first] = grants;
  assert.ok(first);
  uses(bench, 0);
  const place = { source: source(address(0)), endpoint: endpoint('tcp/22'), slot: 0 };
  bench.firewall.apply([{ kind: 'arm', ...place, seconds: bench.wanted({}).seconds, id: 'ffffffffffffffff' }]);
  assert.deepEqual(idsOf(heldGrants(context)), []);
});

test('what ends, is used, begins or is changed during a listing: the others are listed, each of them once', () => {
  for (const at of [0, 1, 40, 90]) {
    const { bench, grants, context } = benchWith(Array.from({ length: 100 }, (_, index) => index % 2 === 1));
    const listing = heldGrants(context);
    const seen: Grant[] = [];
    for (let step = 0; step < at; step++) seen.push(...[listing.next().value].filter((grant) => grant !== undefined));
    const [ended, used] = [grants[98], grants[99]];
    assert.ok(ended && used);
    bench.book.end(ended.id, bench.now);
    uses(bench, 99);
    assert.ok(bench.book.extend(bench.wanted({ device: 'd2', from: address(2), seconds: 60 }), bench.now).ok);
    const fresh = bench.book.open(bench.wanted({ from: '10.9.9.9' }), bench.now);
    assert.ok(fresh.ok);
    bench.set(3600);
    seen.push(...[...listing].filter((grant) => grant !== undefined));
    const gone = [ended.id, used.id, fresh.value.id];
    const others = grants.map(({ id }) => id).filter((id) => !gone.includes(id));
    assert.deepEqual(idsOf(seen.filter(({ id }) => !gone.includes(id))), others.sort(), String(at));
    assert.ok(!seen.some(({ id }) => id === ended.id || id === used.id));
  }
});

test('page after page gives every grant that stands once, in the order of their ids, and all pages but the last are full', () => {
  const plan = fc.array(fc.constantFrom('timed', 'once', 'used'), { maxLength: 60 });
  fc.assert(
    fc.property(plan, fc.integer({ min: 1, max: 20 }), (kinds, most) => {
      const { bench, grants, context } = benchWith(kinds.map((kind) => kind !== 'timed'));
      kinds.forEach((kind, index) => {
        if (kind === 'used') uses(bench, index);
      });
      const expected = grants.filter((_, index) => kinds[index] !== 'used').map(({ id }) => id);
      const pages: string[][] = [];
      for (let after: string | undefined = ''; after !== undefined;) {
        const page: string[] = finish(firstHeld(context, after, most)).map(({ id }) => id);
        pages.push(page);
        after = page.length === most ? page.at(-1) : undefined;
      }
      assert.deepEqual(pages.flat(), expected.sort());
      assert.ok(pages.slice(0, -1).every((page) => page.length === most));
    }),
    { numRuns: 200 },
  );
});

test('a grant that ends while its page is made is not on it', () => {
  const { bench, grants, context } = benchWith([false, false, false]);
  const [one, ...others] = grants;
  assert.ok(one);
  const page = firstHeld(context, '', 10);
  for (let step = 0; step < 3; step++) page.next();
  bench.book.end(one.id, bench.now);
  assert.deepEqual(idsOf(finish(page)), others.map(({ id }) => id).sort());
});
