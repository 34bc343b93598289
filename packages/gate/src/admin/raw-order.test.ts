import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAddress } from '@postern/protocol';
import { readRawOrder } from './raw-order.ts';

const GOOD = { transport: 'udpraw', to: '192.0.2.1', port: 62_201, payload: 'abc' };

test('an order is read, and what is wrong in it is named', () => {
  const order = readRawOrder(JSON.stringify({ ...GOOD, source: '198.51.100.7', sourcePort: 5 }));
  assert.ok(order.ok);
  assert.equal(formatAddress(order.value.to), '192.0.2.1');
  assert.deepEqual([order.value.port, order.value.sourcePort, order.value.icmpType], [62_201, 5, undefined]);
  const echo = readRawOrder(JSON.stringify({ transport: 'icmp', to: '::1', icmpType: 128, payload: '' }));
  assert.ok(echo.ok);
  assert.equal(echo.value.icmpType, 128);
  const wrong: readonly (readonly [string, object])[] = [
    ['transport', { transport: 'udp' }],
    ['to', { to: 'gate.example.com' }],
    ['source', { source: '::1' }],
    ['source', { source: 5 }],
    ['port', { port: 0 }],
    ['port', { port: '5' }],
    ['port', { port: undefined }],
    ['sourcePort', { sourcePort: 65_536 }],
    ['icmpType', { icmpType: -1 }],
    ['icmpCode', { icmpCode: 1.5 }],
    ['payload', { payload: 'é' }],
    ['payload', { payload: 'a'.repeat(1_501) }],
  ];
  for (const [reason, change] of wrong) {
    assert.deepEqual(readRawOrder(JSON.stringify({ ...GOOD, ...change })), { ok: false, reason });
  }
});

test('any text is read or refused', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.jsonValue().map((x) => JSON.stringify({ ...GOOD, to: x, port: x })),
      ),
      (text) => {
        const order = readRawOrder(text);
        assert.ok(order.ok ? order.value.to.length === 16 : order.reason.length > 0);
      },
    ),
  );
});
