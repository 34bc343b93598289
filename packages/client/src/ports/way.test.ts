import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress, type Prefix, type UnixMicros } from '@postern/protocol';
import type { SeenAddress } from '../host.ts';
import { type Path, PathError, type Transport } from '../transport.ts';
import { wayTo } from './way.ts';

const at = (text: string): Uint8Array => parseAddress(text) ?? assert.fail(text);
const one = (text: string): Prefix => ({
  family: text.includes(':') ? 6 : 4,
  address: at(text),
  prefix: text.includes(':') ? 128 : 32,
});
const [GATE4, GATE6] = [at('192.0.2.1'), at('2001:db8::1')];

/** A device at home behind an address translation, without IPv6; it counts the paths that are left open. */
class Home implements Transport {
  open = 0;
  connect(address: Uint8Array): Promise<Path> {
    if (address === GATE6) return Promise.reject(new PathError('ENETUNREACH'));
    this.open++;
    return Promise.resolve({
      ...{ local: at('192.168.1.5'), network: '192.168.1.5/24', send: () => assert.fail('nothing is sent') },
      [Symbol.dispose]: () => this.open--,
    });
  }
}

const seen = (address: string, network = '192.168.1.5/24'): ReadonlyMap<string, SeenAddress> =>
  new Map([[network, { address: at(address), at: 0 as UnixMicros }]]);

test('the source is what was stated, else what the gate saw on this network, else the local address', async () => {
  const home = new Home();
  const way = (
    choice: Parameters<typeof wayTo>[3],
    known: ReadonlyMap<string, SeenAddress>,
  ): ReturnType<typeof wayTo> => wayTo('web1', [GATE6, GATE4], 62_201, choice, { seen: known }, home);
  assert.deepEqual(await way('auto', seen('198.51.100.7')), {
    address: GATE4,
    source: at('198.51.100.7'),
    origin: 'seen',
  });
  const local = { address: GATE4, source: at('192.168.1.5'), origin: 'local' };
  assert.deepEqual(await way('auto', seen('198.51.100.7', 'elsewhere')), local);
  assert.deepEqual(await way('auto', seen('2001:db8::7')), local);
  assert.deepEqual(await way('observed', seen('198.51.100.7')), { address: GATE4, source: undefined, origin: 'none' });
  assert.deepEqual(await way(one('203.0.113.9'), new Map()), {
    address: GATE4,
    source: at('203.0.113.9'),
    origin: 'stated',
  });
  await assert.rejects(way({ ...one('203.0.113.0'), prefix: 24 }, new Map()), /one address expected/);
  assert.equal(home.open, 0);
});

test('without a way it says so, for every address', async () => {
  await assert.rejects(
    wayTo('web1', [GATE6], 62_201, 'auto', { seen: new Map() }, new Home()),
    /there is no way to web1 from here: 2001:db8::1 \(ENETUNREACH\)/,
  );
});
