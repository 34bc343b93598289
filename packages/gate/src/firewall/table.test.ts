import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ONCE_SLOTS } from './port.ts';
import { installText, LAYOUT, SETS } from './table.ts';

const PACKET = installText({ knockPort: 62201, dropKnocks: true });
const DGRAM = installText({ knockPort: 62201, dropKnocks: false });

test('IPv4 and IPv6 have the same sets, chains and rules', () => {
  const of = (family: 4 | 6): string[] =>
    PACKET.split('\n')
      // What a network needs differs between the families.
      .filter((line) => !/icmp|igmp|udp (sport|dport)/.test(line))
      .filter((line) => (family === 4 ? /ip saddr|ipv4|[a-z]4(_|\b)/ : /ip6 saddr|ipv6|[a-z]6(_|\b)/).test(line))
      .map((line) =>
        line
          .replaceAll(/\bip6?\b/g, 'ip')
          .replaceAll(/ipv[46]/g, 'ip')
          .replaceAll(/([a-z])[46](_|\b)/g, '$1N$2'),
      );
  assert.deepEqual(of(4), of(6));
  assert.ok(of(4).length > 2 * ONCE_SLOTS);
});

test('every set that a rule names is declared, and every place has its rule', () => {
  const declared = new Set(PACKET.match(/(?<=set )\w+/g));
  const used = new Set(PACKET.match(/(?<=@)[a-z]\w*/g));
  used.delete('th');
  assert.deepEqual(
    [...used].filter((name) => !declared.has(name)),
    [],
  );
  assert.deepEqual(
    [...declared].filter((name) => !used.has(name)),
    [],
  );
  for (const family of [4, 6] as const) {
    for (const name of SETS[family].once) assert.equal(PACKET.split(`@${name} delete @${name} `).length, 2, name);
  }
});

test('every chain is emptied before it is filled, in the one text', () => {
  const chains = new Set(PACKET.match(/(?<=^ {2}chain )\w+/gm));
  for (const name of chains) assert.match(PACKET, new RegExp(`^flush chain inet postern ${name}$`, 'm'));
  assert.ok(PACKET.includes(LAYOUT));
});

test('knocks are dropped where packets are captured in front, and pass where a plain socket listens', () => {
  assert.match(PACKET, /udp dport 62201 .* counter name "knocks" drop$/m);
  assert.match(DGRAM, /udp dport 62201 .* counter name "knocks"$/m);
  assert.doesNotMatch(PACKET, /@th,/);
  assert.match(DGRAM, /icmpv6 .*port-unreachable/);
});

test('a port that is none is misuse', () => {
  for (const knockPort of [0, 65_536, 1.5, Number.NaN]) {
    assert.throws(() => installText({ knockPort, dropKnocks: true }), RangeError);
  }
});
