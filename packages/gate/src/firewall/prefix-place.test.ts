import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { grantKey, grantKeyEnd } from './elements.ts';
import type { Source } from './port.ts';
import { choosePlace, type Interval } from './prefix-place.ts';

interface Asked {
  readonly last: number;
  readonly prefix: number;
  readonly port: number;
}

function interval({ last, prefix, port }: Asked): Interval {
  const address = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, last);
  const source: Source = { family: 4, address, prefix };
  const endpoint = { protocol: 'tcp', port } as const;
  return { key: grantKey(source, endpoint), keyEnd: grantKeyEnd(source, endpoint) };
}

test('whatever is put in, no set holds two prefixes that share an address and an endpoint', () => {
  const asked = fc.record({
    last: fc.nat(255),
    prefix: fc.integer({ min: 24, max: 31 }),
    port: fc.constantFrom(22, 80),
  });
  const contains = (a: Asked, address: number): boolean => a.last >>> (32 - a.prefix) === address >>> (32 - a.prefix);
  fc.assert(
    fc.property(fc.array(asked, { maxLength: 40 }), (all) => {
      const places: { asked: Asked; interval: Interval }[][] = [[], [], [], []];
      for (const one of all) {
        const wanted = interval(one);
        const place = choosePlace(
          places.map((held) => held.map((other) => other.interval)),
          wanted,
        );
        if (place?.held === false) places[place.index]?.push({ asked: one, interval: wanted });
      }
      for (const held of places) {
        for (const port of [22, 80]) {
          for (let address = 0; address < 256; address++) {
            const owners = held.filter((other) => other.asked.port === port && contains(other.asked, address));
            assert.ok(owners.length <= 1);
          }
        }
      }
    }),
  );
});

test('four prefixes that contain one another find a place, the fifth does not, and each is found again', () => {
  const places: Interval[][] = [[], [], [], []];
  for (const prefix of [24, 25, 26, 27]) {
    const wanted = interval({ last: 0, prefix, port: 22 });
    const place = choosePlace(places, wanted);
    assert.deepEqual(place, { index: prefix - 24, held: false });
    places[prefix - 24]?.push(wanted);
    assert.deepEqual(choosePlace(places, wanted), { index: prefix - 24, held: true });
  }
  assert.equal(choosePlace(places, interval({ last: 0, prefix: 28, port: 22 })), undefined);
  assert.deepEqual(choosePlace(places, interval({ last: 0, prefix: 28, port: 80 })), { index: 0, held: false });
});

test('a set that has no room is passed over', () => {
  const places = [[interval({ last: 0, prefix: 31, port: 1 })], []];
  assert.deepEqual(choosePlace(places, interval({ last: 0, prefix: 31, port: 2 }), 1), { index: 1, held: false });
});
