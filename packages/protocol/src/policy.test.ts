import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { contains, parseAddress, parsePrefix, type Prefix } from './address.ts';
import type { Seconds, ServiceName, UnixMicros } from './brand.ts';
import { decide, type GrantFacts, type ServicePolicy, sourceAllowed, type UserPolicy } from './policy.ts';
import type { Kind, StatedSource } from './statement.ts';

const NOW = 1_790_000_000_000_000 as UnixMicros;
const SSH = 'ssh' as ServiceName;

const service: ServicePolicy = {
  name: SSH,
  seconds: 30 as Seconds,
  maxSeconds: 300 as Seconds,
  singleUse: false,
  observedSource: false,
  prefix4: 32,
  prefix6: 128,
};
const user: UserPolicy = {
  services: [SSH],
  from: undefined,
  maxSeconds: undefined,
  expires: undefined,
  revoked: undefined,
};
const forever = { expires: undefined, revoked: undefined };

function address(text: string): Uint8Array {
  const bytes = parseAddress(text);
  assert.ok(bytes, text);
  return bytes;
}

function block(text: string): Prefix {
  const prefix = parsePrefix(text);
  assert.ok(prefix, text);
  return prefix;
}

function stated(text: string): StatedSource {
  const { family, prefix, address: bytes } = block(text);
  return { type: family, prefix, address: bytes };
}

function decided(changes: Partial<GrantFacts>): string {
  const facts = {
    claim: { singleUse: false, seconds: 0 },
    source: block('192.0.2.7'),
    service,
    user,
    device: forever,
    now: NOW,
  };
  const result = decide({ ...facts, ...changes });
  return result.ok ? `${result.value.seconds} s${result.value.singleUse ? ', once' : ''}` : result.reason;
}

function inSeconds(seconds: number): UnixMicros {
  return (NOW + seconds * 1_000_000) as UnixMicros;
}

test('a packet from another source than it states is refused', () => {
  const table: readonly (readonly [string, string, boolean])[] = [
    ['192.0.2.7', '192.0.2.7', true],
    ['192.0.2.7', '192.0.2.8', false],
    ['192.0.2.0/24', '192.0.2.8', true],
    ['192.0.2.0/24', '192.0.3.8', false],
    ['2001:db8::7', '2001:db8::7', true],
    ['2001:db8::7', '2001:db8::8', false],
    ['2001:db8::/64', '2001:db8::8', true],
    ['2001:db8::/64', '2001:db8:0:1::8', false],
    ['2001:db8::/64', '192.0.2.7', false],
    ['128.0.0.0/1', '2001:db8::7', false],
  ];
  for (const [source, observed, expected] of table) {
    const result = sourceAllowed({ kind: 'open', source: stated(source) }, address(observed), service);
    assert.deepEqual(result, expected ? { ok: true, value: block(source) } : { ok: false, reason: 'source' }, source);
  }
});

test('what is stated is what may be granted, and it holds the observed address', () => {
  const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 });
  fc.assert(
    fc.property(bytes, bytes, fc.integer({ min: 1, max: 128 }), fc.boolean(), (from, other, prefix, leave) => {
      const source = { type: 6, prefix, address: other } as const;
      const result = sourceAllowed({ kind: 'open', source }, from, { ...service, observedSource: leave });
      if (result.ok) assert.ok(contains(result.value, from));
      assert.equal(result.ok, contains({ family: 6, address: other, prefix }, from));
    }),
  );
});

test('an observed source needs leave to open and to extend, and none for the rest', () => {
  const observed = address('192.0.2.7');
  const asked = (kind: Kind, given: ServicePolicy | undefined): string => {
    const result = sourceAllowed({ kind, source: { type: 'observed' } }, observed, given);
    if (result.ok) assert.deepEqual(result.value, block('192.0.2.7'));
    return result.ok ? 'ok' : result.reason;
  };
  for (const kind of ['open', 'extend'] as const) {
    assert.equal(asked(kind, service), 'source-leave');
    assert.equal(asked(kind, undefined), 'source-leave');
    assert.equal(asked(kind, { ...service, observedSource: true }), 'ok');
  }
  for (const kind of ['close', 'whoami', 'enrol'] as const) {
    assert.equal(asked(kind, service), 'ok');
    assert.equal(asked(kind, undefined), 'ok');
  }
});

test('the permitted source is a copy, whatever becomes of the buffer that the packet was in', () => {
  const buffer = address('192.0.2.7');
  const result = sourceAllowed({ kind: 'whoami', source: { type: 'observed' } }, buffer, undefined);
  buffer.fill(0);
  assert.ok(result.ok);
  assert.deepEqual(result.value, block('192.0.2.7'));
});

test('how long, case by case', () => {
  const ask = (seconds: number): Partial<GrantFacts> => ({ claim: { singleUse: false, seconds } });
  const capped = { ...user, maxSeconds: 20 as Seconds };
  assert.equal(decided({}), '30 s');
  assert.equal(decided(ask(7)), '7 s');
  assert.equal(decided(ask(300)), '300 s');
  assert.equal(decided(ask(301)), '300 s', 'cut to what the service allows');
  assert.equal(decided(ask(2 ** 32 - 1)), '300 s');
  assert.equal(decided({ user: capped }), '20 s', 'cut to what the user may have, also where nothing was asked for');
  assert.equal(decided({ ...ask(100), user: capped }), '20 s');
  assert.equal(decided({ ...ask(7), user: capped }), '7 s');
  assert.equal(decided({ ...ask(900), user: { ...user, maxSeconds: 3600 as Seconds } }), '300 s');
  assert.equal(decided({ user: { ...user, expires: inSeconds(9.5) } }), '9 s', 'no grant outlives its user');
  assert.equal(decided({ device: { ...forever, expires: inSeconds(12) } }), '12 s');
  assert.equal(decided({ device: { ...forever, expires: inSeconds(0.5) } }), 'not-permitted');
});

test('once or not, case by case', () => {
  const single = { ...service, singleUse: true };
  const wide = { ...service, prefix4: 24, prefix6: 56 };
  const once = { singleUse: true, seconds: 0 };
  assert.equal(decided({ service: single }), '30 s, once');
  assert.equal(decided({ claim: once }), '30 s, once');
  assert.equal(decided({ service: wide, source: block('192.0.2.0/24') }), '30 s');
  assert.equal(decided({ service: { ...wide, singleUse: true }, source: block('192.0.2.0/24') }), 'not-permitted');
  assert.equal(decided({ service: wide, source: block('192.0.2.0/24'), claim: once }), 'not-permitted');
  assert.equal(decided({ service: wide, source: block('2001:db8::/56') }), '30 s');
  assert.equal(decided({ service: wide, source: block('2001:db8::1'), claim: once }), '30 s, once');
});

test('what is not permitted, case by case', () => {
  const refused = (changes: Partial<GrantFacts>): void => {
    assert.equal(decided(changes), 'not-permitted');
  };
  refused({ service: undefined });
  refused({ user: { ...user, services: [] } });
  refused({ user: { ...user, services: ['web' as ServiceName] } });
  refused({ user: { ...user, revoked: NOW } });
  refused({ user: { ...user, revoked: inSeconds(60) } });
  refused({ user: { ...user, expires: NOW } });
  refused({ device: { ...forever, revoked: NOW } });
  refused({ device: { ...forever, expires: NOW } });
  refused({ source: block('192.0.2.0/24') });
  refused({ service: { ...service, prefix4: 24 }, source: block('192.0.2.0/23') });
  refused({ source: block('2001:db8::/64') });
});

test('a user who may come from some places only is granted nothing that reaches beyond them', () => {
  const from = { ...user, from: [block('192.0.2.0/24'), block('2001:db8::/32')] };
  const wide = { ...service, prefix4: 8, prefix6: 16 };
  const asked = (source: string): string => decided({ user: from, service: wide, source: block(source) });
  assert.equal(asked('192.0.2.7'), '30 s');
  assert.equal(asked('192.0.2.0/24'), '30 s');
  assert.equal(asked('2001:db8:1::/48'), '30 s');
  assert.equal(asked('192.0.3.7'), 'not-permitted');
  assert.equal(asked('192.0.0.0/16'), 'not-permitted');
  assert.equal(asked('2001::/16'), 'not-permitted');
  assert.equal(decided({ user: { ...user, from: [] } }), 'not-permitted');
});
