import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAddress, prefixKey } from '../address.ts';
import { toHex, writeU32 } from '../bytes.ts';
import { FAIR_SHARE, SourceTable } from './source-table.ts';

function source(number: number): Uint8Array {
  const bytes = parseAddress('10.0.0.0') ?? new Uint8Array(16);
  writeU32(bytes, 12, 0x0a00_0000 + number);
  return bytes;
}

/** The same rule over one list: who was heard last stands last. */
class SlowTable {
  #list: { key: string; prefix: string }[] = [];
  readonly #changed = new Map<string, number>();
  #clock = 0;
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  hear(address: Uint8Array): void {
    const key = toHex(address);
    const known = this.#list.find((one) => one.key === key);
    this.#list = this.#list.filter((one) => one.key !== key);
    if (known === undefined) {
      if (this.#list.length >= this.#capacity) this.#evict();
      this.#changed.set(prefixKey(address, 24), this.#clock++);
    }
    this.#list.push({ key, prefix: prefixKey(address, 24) });
  }

  remove(address: Uint8Array): void {
    const key = toHex(address);
    if (!this.#list.some((one) => one.key === key)) return;
    this.#list = this.#list.filter((one) => one.key !== key);
    this.#changed.set(prefixKey(address, 24), this.#clock++);
  }

  keys(): string[] {
    return this.#list.map(({ key }) => key).sort();
  }

  #evict(): void {
    const count = (prefix: string): number => this.#list.filter((one) => one.prefix === prefix).length;
    const most = Math.max(...this.#list.map(({ prefix }) => count(prefix)));
    const age = (prefix: string): number => this.#changed.get(prefix) ?? 0;
    const [fullest] = this.#list
      .map(({ prefix }) => prefix)
      .filter((prefix) => count(prefix) === most)
      .sort((a, b) => age(a) - age(b));
    const victim = this.#list.find(({ prefix }) => most <= FAIR_SHARE || prefix === fullest);
    if (victim === undefined) return;
    this.#list = this.#list.filter((one) => one !== victim);
    this.#changed.set(victim.prefix, this.#clock++);
  }
}

test('whatever is heard and given up, the same sources have places as by the rule said in one list', () => {
  let evicted = 0;
  const action = fc.record({
    prefix: fc.constantFrom(0, 0, 0, 1, 1, 2, 3),
    host: fc.integer({ min: 0, max: 19 }),
    remove: fc.integer({ min: 0, max: 9 }).map((one) => one === 0),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 24 }),
      fc.array(action, { maxLength: 120, size: 'max' }),
      (capacity, actions) => {
        const held = new Map<number, string>();
        const table = new SourceTable(capacity, (place) => {
          held.delete(place);
          evicted++;
        });
        const slow = new SlowTable(capacity);
        for (const { prefix, host, remove } of actions) {
          const address = source(prefix * 256 + host);
          let place = table.find(address);
          if (remove) {
            slow.remove(address);
            // The look-up counts as heard, but what is removed is not there to be any more.
            if (place !== undefined) table.remove(place);
          } else {
            slow.hear(address);
            place ??= table.add(address);
            assert.ok(place >= 0 && place < capacity);
            const holder = held.get(place);
            assert.ok(holder === undefined || holder === toHex(address), 'a place has one source');
            held.set(place, toHex(address));
          }
          assert.deepEqual([...held.values()].sort(), slow.keys());
          assert.equal(table.size, held.size);
        }
      },
    ),
    { numRuns: 200, seed: 11 },
  );
  assert.ok(evicted > 1000, `${evicted} places were given up`);
});

test('a flood from one prefix pushes out its own, whoever came first', () => {
  const table = new SourceTable(100);
  const honest = ['192.0.2.1', '198.51.100.1', '2001:db8::1'].map((text) => parseAddress(text) ?? new Uint8Array(16));
  for (const address of honest) table.add(address);
  const flood = (host: number): Uint8Array => {
    const address = parseAddress('2001:db8:0:ff00::') ?? new Uint8Array(16);
    writeU32(address, 12, host);
    return address;
  };
  for (let host = 0; host < 10_000; host++) table.add(flood(host));
  assert.equal(table.size, 100);
  for (const address of honest) assert.notEqual(table.find(address), undefined);
});

test('a flood from as many prefixes as there are sources needs all places before a source has to go', () => {
  const table = new SourceTable(100);
  const honest = parseAddress('192.0.2.1') ?? new Uint8Array(16);
  const neighbour = parseAddress('192.0.2.2') ?? new Uint8Array(16);
  table.add(honest);
  table.add(neighbour);
  for (let other = 0; other < 98; other++) table.add(source(other * 256));
  for (let other = 98; other < 197; other++) {
    table.add(source(other * 256));
    if (other === 98) assert.notEqual(table.find(neighbour), undefined, 'two of one prefix are no flood');
  }
  assert.equal(table.find(honest), undefined);
  assert.notEqual(table.find(neighbour), undefined);
});

test('a table holds at least one source and at most 2^20', () => {
  for (const capacity of [0, -1, 1.5, 0x10_0001]) assert.throws(() => new SourceTable(capacity), RangeError);
});
