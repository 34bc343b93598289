import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MOST_SOURCES, Seen } from './seen.ts';

const names = fc.array(fc.tuple(fc.nat(9).map(String), fc.nat(6).map(String)), { maxLength: 200 });

test('it says of every packet what a list of all packets would say, as long as there is room', () => {
  fc.assert(
    fc.property(names, (packets) => {
      const seen = new Seen(10);
      const all: (readonly [string, string])[] = [];
      for (const [mac, source] of packets) {
        const same = all.filter((other) => other[0] === mac);
        const expected = same.some((other) => other[1] === source)
          ? 'duplicate'
          : same.length >= MOST_SOURCES
            ? 'too-many-sources'
            : 'new';
        const said = seen.look(mac, source);
        assert.equal(said, expected);
        if (said !== 'new') continue;
        seen.remember(mac, source);
        all.push([mac, source]);
      }
    }),
  );
});

test('when there is no room the oldest packet is forgotten and all later ones are still known', () => {
  const seen = new Seen(100);
  for (let index = 0; index < 100_000; index++) seen.remember(`mac ${String(index)}`, 'here');
  assert.equal(seen.size, 100);
  assert.equal(seen.look('mac 99899', 'here'), 'new');
  for (let index = 99_900; index < 100_000; index++)
    assert.equal(seen.look(`mac ${String(index)}`, 'here'), 'duplicate');
});
