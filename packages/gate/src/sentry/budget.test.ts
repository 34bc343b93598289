import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Budget, type Rate } from './budget.ts';

const bytes = (name: string): Uint8Array => new Uint8Array(Buffer.from(name));

/** Two plain token buckets that forget nobody. */
class NaiveBudget {
  readonly #total: Rate;
  readonly #prefix: Rate;
  readonly #tokens = new Map<string, { tokens: number; then: number }>();

  constructor(total: Rate, prefix: Rate) {
    this.#total = total;
    this.#prefix = prefix;
  }

  take(prefix: string, now: number, units = 1): boolean {
    const total = this.#refill('total', this.#total, now);
    const own = this.#refill(`prefix ${prefix}`, this.#prefix, now);
    const [ofTotal, ofOwn] = [Math.min(units, this.#total.burst), Math.min(units, this.#prefix.burst)];
    if (total.tokens < ofTotal || own.tokens < ofOwn) return false;
    total.tokens -= ofTotal;
    own.tokens -= ofOwn;
    return true;
  }

  #refill(name: string, { burst, rate }: Rate, now: number): { tokens: number; then: number } {
    const bucket = this.#tokens.get(name) ?? { tokens: burst, then: now };
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.then) * rate) / 1_000_000);
    bucket.then = now;
    this.#tokens.set(name, bucket);
    return bucket;
  }
}

// Powers of two, so that neither side rounds.
const rate = fc.record({ burst: fc.integer({ min: 1, max: 6 }), rate: fc.constantFrom(1, 2, 4, 8) });
const second = 1_000_000;
const events = fc.array(
  fc.tuple(
    fc.nat(12).map(String),
    fc.nat(40).map((step) => (step * second) / 32),
  ),
  { maxLength: 300 },
);

test('it gives what two plain token buckets give, and forgets nobody who still owes', () => {
  fc.assert(
    fc.property(rate, rate, events, (total, prefix, takes) => {
      const budget = new Budget(total, prefix);
      const naive = new NaiveBudget(total, prefix);
      let now = 1_795_000_000 * second;
      for (const [who, wait] of takes) {
        now += wait;
        assert.equal(budget.take(bytes(who), now), naive.take(who, now));
        assert.ok(budget.size <= budget.capacity);
      }
    }),
    { numRuns: 500 },
  );
});

test('work of several units takes as many tokens, and all that there are where it is more than a bucket holds', () => {
  let taken = 0;
  const work = fc.array(
    fc.tuple(
      fc.nat(3).map(String),
      fc.nat(64).map((step) => (step * second) / 32),
      fc.nat(9),
    ),
    {
      maxLength: 300,
    },
  );
  fc.assert(
    fc.property(rate, rate, work, (total, prefix, takes) => {
      const budget = new Budget(total, prefix);
      const naive = new NaiveBudget(total, prefix);
      let now = 1_795_000_000 * second;
      for (const [who, wait, units] of takes) {
        now += wait;
        const took = budget.take(bytes(who), now, units);
        assert.equal(took, naive.take(who, now, units));
        if (took && units > 1) taken++;
        assert.ok(budget.size <= budget.capacity);
      }
    }),
    { numRuns: 500 },
  );
  assert.ok(taken > 500, String(taken));
});

test('a million prefixes take no more memory than the rate admits', () => {
  const budget = new Budget({ burst: 64, rate: 64 }, { burst: 8, rate: 8 });
  for (let index = 0; index < 1_000_000; index++) budget.take(bytes(String(index)), 1_000_000 + index * 100);
  assert.ok(budget.size <= budget.capacity);
});

test('whoever came first is not forgotten first while it still owes', () => {
  const budget = new Budget({ burst: 8, rate: 8 }, { burst: 2, rate: 0.25 });
  const step = second / 8;
  let now = 1_000_000_000;
  const passer = (): boolean => budget.take(bytes(String((now += step))), now);
  assert.ok(budget.take(bytes('regular'), now));
  while (budget.size < budget.capacity - 1) assert.ok(passer());
  assert.ok(budget.take(bytes('regular'), now) && budget.take(bytes('regular'), now));
  // The longest unused have to make room now.
  for (let count = 0; count < 10; count++) passer();
  assert.ok(!budget.take(bytes('regular'), now));
});

test('a prefix that used up its ration takes nothing from the others', () => {
  const budget = new Budget({ burst: 100, rate: 100 }, { burst: 10, rate: 10 });
  const now = 1_000_000_000;
  for (let index = 0; index < 10_000; index++) budget.take(bytes('loud'), now);
  assert.ok(!budget.take(bytes('loud'), now));
  assert.ok(budget.take(bytes('quiet'), now));
});

test('a clock that goes back locks nobody out', () => {
  const budget = new Budget({ burst: 1, rate: 1 }, { burst: 1, rate: 1 });
  assert.ok(budget.take(bytes('a'), 9_000_000_000));
  assert.ok(!budget.take(bytes('a'), 9_000_000_000));
  assert.ok(budget.take(bytes('a'), 1_000_000));
});

test('a look takes nothing, and says what a taking would', () => {
  const budget = new Budget({ burst: 3, rate: 1 }, { burst: 2, rate: 1 });
  const [one, other] = [Uint8Array.of(1), Uint8Array.of(2)];
  for (let i = 0; i < 5; i++) assert.ok(budget.has(one, 0, 2));
  assert.ok(budget.take(one, 0, 2));
  assert.equal(budget.has(one, 0), false);
  assert.ok(budget.has(other, 0));
  assert.equal(budget.has(other, 0, 2), false, 'of all together one is left');
  assert.ok(budget.take(other, 0));
});
