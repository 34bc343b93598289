import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  contains,
  familyOf,
  formatAddress,
  formatPrefix,
  fullPrefix,
  isGlobal,
  parseAddress,
  parsePrefix,
  prefixKey,
  prefixOf,
  sameAddress,
} from './address.ts';

/** Groups that are often zero, so that runs of zeros of every length and place come up. */
const bytes6 = fc
  .array(fc.oneof(fc.constant(0), fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff])));
const bytes4 = fc
  .array(fc.nat(255), { minLength: 4, maxLength: 4 })
  .map((tail) => Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...tail]));
const anyAddress = fc.oneof(bytes4, bytes6);

/** The browsers' serializer (WHATWG URL), which knows no dotted form. */
function urlForm(text: string): string {
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}

function parsed(text: string): Uint8Array {
  const address = parseAddress(text);
  assert.ok(address, text);
  return address;
}

function block(text: string): NonNullable<ReturnType<typeof parsePrefix>> {
  const prefix = parsePrefix(text);
  assert.ok(prefix, text);
  return prefix;
}

test('what is written is read back, and nothing else is written for it', () => {
  fc.assert(
    fc.property(anyAddress, (address) => {
      const text = formatAddress(address);
      assert.deepEqual(parseAddress(text), address);
      assert.equal(net.isIP(text), familyOf(address));
      if (familyOf(address) === 6) assert.equal(text, urlForm(text));
    }),
    { numRuns: 2000 },
  );
});

test('addresses are written as RFC 5952 says', () => {
  const examples: readonly (readonly [string, string])[] = [
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8::ABCD', '2001:db8::abcd'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:c000:201', '192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['::ffff:0:1.2.3.4', '::ffff:0:102:304'],
  ];
  for (const [text, form] of examples) assert.equal(formatAddress(parsed(text)), form, text);
});

test('exactly what node:net calls an address is one, but for zones', () => {
  const piece = fc.constantFrom(
    '0',
    '1',
    'ff',
    'FFFF',
    '10000',
    'g',
    ':',
    ':',
    '::',
    '.',
    '.',
    '255',
    '256',
    '01',
    '%',
    ' ',
    '-',
    '/',
  );
  const texts = fc.oneof(
    fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join('')),
    fc
      .array(fc.constantFrom('0', 'a1', '1.2.3.4', ''), { minLength: 1, maxLength: 10 })
      .map((groups) => groups.join(':')),
    fc
      .array(fc.constantFrom('0', '9', '255', '256', '00', ''), { minLength: 3, maxLength: 5 })
      .map((parts) => parts.join('.')),
    fc.tuple(anyAddress, fc.nat(45), fc.string({ maxLength: 2 })).map(([address, at, insert]) => {
      const text = formatAddress(address);
      return text.slice(0, at) + insert + text.slice(at);
    }),
    fc.string({ maxLength: 50 }),
    fc.string({ unit: 'binary', maxLength: 50 }),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const address = parseAddress(text);
      const expected = text.includes('%') ? 0 : net.isIP(text);
      assert.equal(address !== undefined, expected !== 0, JSON.stringify(text));
      if (address !== undefined && expected === 6) {
        const bits = urlForm(text);
        assert.deepEqual(address, parseAddress(bits));
      }
    }),
    { numRuns: 10_000 },
  );
});

test('a prefix holds what node:net says it holds', () => {
  fc.assert(
    fc.property(anyAddress, anyAddress, fc.nat(128), fc.nat(127), (inside, other, length, flip) => {
      const family = familyOf(inside);
      const prefix = prefixOf(inside, length % (fullPrefix(family) + 1));
      const list = new net.BlockList();
      list.addSubnet(formatAddress(inside), prefix.prefix, family === 4 ? 'ipv4' : 'ipv6');
      const near = Uint8Array.from(inside);
      near[flip >> 3] = (near[flip >> 3] ?? 0) ^ (0x80 >> (flip & 7));
      assert.ok(contains(prefix, inside));
      for (const address of [other, near]) {
        const same = familyOf(address) === family;
        // node:net matches IPv4 in IPv6 blocks and the other way round; here families never mix.
        const expected = same && list.check(formatAddress(address), family === 4 ? 'ipv4' : 'ipv6');
        assert.equal(contains(prefix, address), expected);
        if (same) assert.equal(prefixKey(address, prefix.prefix) === prefixKey(inside, prefix.prefix), expected);
      }
      const text = formatPrefix(prefix);
      assert.deepEqual(parsePrefix(text), prefix);
    }),
    { numRuns: 2000 },
  );
});

test('a block holds another when it is not narrower and holds its address', () => {
  assert.ok(contains(block('10.0.0.0/8'), block('10.2.0.0/16')));
  assert.ok(contains(block('10.0.0.0/8'), block('10.0.0.0/8')));
  assert.ok(!contains(block('10.2.0.0/16'), block('10.0.0.0/8')));
  assert.ok(!contains(block('10.0.0.0/8'), block('11.0.0.0/16')));
  assert.ok(contains(block('0.0.0.0/0'), parsed('203.0.113.9')));
  assert.ok(!contains(block('::/0'), parsed('203.0.113.9')), 'IPv6 does not hold IPv4');
  assert.ok(!contains(block('0.0.0.0/0'), parsed('2001:db8::1')));
});

test('a prefix is written one way only', () => {
  assert.deepEqual(parsePrefix('192.0.2.7'), { family: 4, address: parsed('192.0.2.7'), prefix: 32 });
  assert.deepEqual(parsePrefix('::ffff:10.0.0.0/104'), parsePrefix('10.0.0.0/8'));
  assert.equal(formatPrefix(block('2001:db8::/32')), '2001:db8::/32');
  assert.equal(formatPrefix(block('2001:db8::1/128')), '2001:db8::1');
  assert.equal(formatPrefix(prefixOf(parsed('10.1.2.3'), 8)), '10.0.0.0/8');
  for (const text of [
    ...['10.0.0.1/8', '10.0.0.0/33', '10.0.0.0/08', '10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/8/8', '/8', ''],
    ...['2001:db8::/129', '2001:db8::1/64', '::ffff:10.0.0.0/95', '10.0.0.0/8 ', '10.0.0.0/1e1', 'ten/8'],
  ]) {
    assert.equal(parsePrefix(text), undefined, text);
  }
  assert.throws(() => prefixOf(parsed('10.0.0.1'), 33), RangeError);
  assert.throws(() => formatAddress(new Uint8Array(4)), RangeError);
});

test('only addresses that mean the same host anywhere are global', () => {
  const local = [
    ...[
      '0.1.2.3',
      '10.1.2.3',
      '100.64.0.1',
      '100.127.255.255',
      '127.0.0.1',
      '169.254.9.9',
      '172.16.0.1',
      '172.31.255.255',
    ],
    ...['192.0.0.8', '192.0.0.170', '192.0.2.1', '192.88.99.1', '192.168.1.1', '198.18.0.1', '198.19.255.255'],
    ...['198.51.100.1', '203.0.113.1', '224.0.0.1', '239.1.1.1', '240.0.0.1', '255.255.255.255'],
    ...[
      '::',
      '::1',
      '64:ff9b::1.1.1.1',
      '64:ff9b:1::1',
      '100::1',
      '100:0:0:1::1',
      '2001::1',
      '2001:2::1',
      '2001:10::1',
    ],
    ...[
      '2001:1::4',
      '2001:db8::1',
      '2002:102:304::1',
      '3fff::1',
      '3fff:fff::1',
      '5f00::1',
      'fc00::1',
      'fd12::1',
      'fe80::1',
    ],
    ...['fec0::1', 'ff02::1', '4000::1', '1fff::1'],
  ];
  const global = [
    ...[
      '1.1.1.1',
      '9.255.255.255',
      '11.0.0.1',
      '100.63.255.255',
      '100.128.0.1',
      '172.15.0.1',
      '172.32.0.1',
      '192.0.0.9',
    ],
    ...[
      '192.0.0.10',
      '192.0.1.1',
      '192.31.196.1',
      '192.52.193.1',
      '192.175.48.1',
      '198.17.1.1',
      '198.20.0.1',
      '223.255.255.1',
    ],
    ...['2001:1::1', '2001:1::2', '2001:1::3', '2001:3::1', '2001:4:112::1', '2001:20::1', '2001:30::1', '2001:200::1'],
    ...['2003::1', '2606:4700::1111', '2620:4f:8000::1', '2a00:1450::1', '3ffe::1', '3fff:1000::1'],
  ];
  for (const text of local) assert.ok(!isGlobal(parsed(text)), text);
  for (const text of global) assert.ok(isGlobal(parsed(text)), text);
});

test('two addresses are the same byte by byte', () => {
  assert.ok(sameAddress(parsed('::ffff:1.2.3.4'), parsed('1.2.3.4')));
  assert.ok(!sameAddress(parsed('1.2.3.4'), parsed('1.2.3.5')));
  assert.ok(!sameAddress(parsed('1.2.3.4'), new Uint8Array(4)));
});
