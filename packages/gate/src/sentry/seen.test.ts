import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MOST_SOURCES, Seen } from './seen.ts';

const SIZES = { mac: 16, source: 16 } as const;
const bytes = (name: string): Uint8Array => new Uint8Array(Buffer.from(name));
const names = fc.array(fc.tuple(fc.nat(9).map(String), fc.nat(6).map(String)), { maxLength: 200 });

test('it says of every packet what a list of all packets would say, as long as there is room', () => {
  fc.assert(
    fc.property(names, (packets) => {
      const seen = new Seen(10, SIZES);
      const all: (readonly [string, string])[] = [];
      for (const [mac, source] of packets) {
        const same = all.filter((other) => other[0] === mac);
        const expected = same.some((other) => other[1] === source)
          ? 'duplicate'
          : same.length >= MOST_SOURCES
            ? 'too-many-sources'
            : 'new';
        const said = seen.look(bytes(mac), bytes(source));
        assert.equal(said, expected);
        if (said !== 'new') continue;
        seen.remember(bytes(mac), bytes(source));
        all.push([mac, source]);
      }
    }),
  );
});

test('when there is no room the oldest packet is forgotten and all later ones are still known', () => {
  const seen = new Seen(100, SIZES);
  for (let index = 0; index < 100_000; index++) seen.remember(bytes(`mac ${String(index)}`), bytes('here'));
  assert.equal(seen.size, 100);
  assert.equal(seen.look(bytes('mac 99899'), bytes('here')), 'new');
  for (let index = 99_900; index < 100_000; index++)
    assert.equal(seen.look(bytes(`mac ${String(index)}`), bytes('here')), 'duplicate');
});
