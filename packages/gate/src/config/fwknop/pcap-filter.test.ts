import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatHearing, parseHearing } from './hearing.ts';
import { parsePcapFilter } from './pcap-filter.ts';

for (const [filter, hear] of [
  ['udp port 62201', ['udp/62201']],
  ['  UDP  dst port 53 ', ['udp/53']],
  ['port 62201', ['udp/62201', 'tcp/62201']],
  ['udp dst portrange 10000-65535', ['udp/10000-65535']],
  ['tcp portrange 1 - 2', ['tcp/1-2']],
  ['icmp', ['icmp']],
  ['udp port 62201 or tcp dst port 80 or icmp', ['udp/62201', 'tcp/80', 'icmp']],
  ['(udp port 1) || ((tcp port 2) or (icmp))', ['udp/1', 'tcp/2', 'icmp']],
  ['udp port 1 or udp port 1', ['udp/1']],
] as const) {
  test(`${filter} is heard at ${hear.join(', ')}`, () => {
    assert.deepEqual(parsePcapFilter(filter)?.map(formatHearing), hear);
  });
}

for (const filter of [
  ...['', 'udp', 'udp port', 'udp port 0', 'udp port 65536', 'udp portrange 5-3', 'udp src port 5', 'not udp port 5'],
  ...[
    'udp port 5 and host 1.2.3.4',
    'udp port 5 or',
    'or',
    '(udp port 5',
    'udp port 5)',
    ')udp port 5(',
    'udp port ssh',
  ],
  ...['udp port 5; drop', 'ip6 and udp port 5', 'orudp port 5'],
])
  test(`no guess is made of ${JSON.stringify(filter)}`, () => {
    assert.equal(parsePcapFilter(filter), undefined);
  });

const words = fc.constantFrom(
  'udp',
  'tcp',
  'icmp',
  'port',
  'portrange',
  'dst',
  'or',
  '(',
  ')',
  '62201',
  '1-2',
  ' ',
  '||',
);

test('any filter is read or not', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(words).map((all) => all.join(' ')),
      ),
      (filter) => {
        for (const place of parsePcapFilter(filter) ?? []) assert.deepEqual(parseHearing(formatHearing(place)), place);
      },
    ),
  );
});

test('a place to hear at is one of few forms', () => {
  for (const text of ['udp/0', 'udp/5-4', 'udp/1-65536', 'sctp/1', 'icmp/8', 'udp/01', 'udp/1-', '62201', 'UDP/1'])
    assert.equal(parseHearing(text), undefined, text);
});
