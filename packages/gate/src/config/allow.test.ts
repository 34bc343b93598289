import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exceptionsOf, isInterface, parseAllowed } from './allow.ts';

test('ports, ping and protocols by name or number are allowed, and what has rules of its own is not', () => {
  assert.deepEqual(parseAllowed('tcp/80'), { protocol: 'tcp', port: 80 });
  assert.deepEqual(parseAllowed('udp/65535'), { protocol: 'udp', port: 65_535 });
  assert.deepEqual(parseAllowed('ping'), { protocol: 'ping' });
  assert.deepEqual(parseAllowed('esp'), { protocol: 'ip', number: 50 });
  assert.deepEqual(parseAllowed('ip/0'), { protocol: 'ip', number: 0 });
  const none = ['tcp/0', 'tcp/65536', 'tcp/80-90', 'tcp', 'ip/6', 'ip/17', 'ip/1', 'ip/58', 'ip/256', 'ip/01', 'icmp'];
  for (const text of [...none, 'TCP/80', ' tcp/80', 'toString', '']) assert.equal(parseAllowed(text), undefined, text);
});

test('a trusted interface is a name, or the beginning of names', () => {
  for (const name of ['eth0', 'br-*', 'veth1@if2', 'a', 'fifteen-letters']) assert.equal(isInterface(name), true, name);
  for (const name of ['', '*', 'sixteen-letters-', 'fifteen-letters*', 'a*b', 'a b', 'a"', 'a/b', 'ä'])
    assert.equal(isInterface(name), false, name);
});

test('exceptions are what allow and trust say together', () => {
  assert.deepEqual(exceptionsOf({ allow: ['tcp/80', 'esp', 'ip/50', 'ping'], trust: ['wg0'] }), {
    endpoints: [{ protocol: 'tcp', port: 80 }],
    protocols: [50],
    ping: true,
    interfaces: ['wg0'],
  });
  assert.deepEqual(exceptionsOf({ allow: [], trust: [] }), {
    endpoints: [],
    protocols: [],
    ping: false,
    interfaces: [],
  });
});
