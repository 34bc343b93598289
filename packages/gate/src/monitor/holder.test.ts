import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceId } from '@postern/protocol';
import { deviceOf, doorOf, stanzaOf, type Holder } from './holder.ts';

test('a holder is a device, a door or a stanza, and never two of them', () => {
  const device = '00112233445566778899aabbccddeeff' as DeviceId;
  const cases: readonly [Holder | undefined, string | undefined, string | undefined, string | undefined][] = [
    [device, device, undefined, undefined],
    ['door:front', undefined, 'front', undefined],
    ['fwknop:alice', undefined, undefined, 'alice'],
    // A name that looks like another holder is still a name.
    ['door:fwknop:alice', undefined, 'fwknop:alice', undefined],
    ['fwknop:door:front', undefined, undefined, 'door:front'],
    ['fwknop:', undefined, undefined, ''],
    [undefined, undefined, undefined, undefined],
  ];
  for (const [holder, ...expected] of cases)
    assert.deepEqual([deviceOf(holder), doorOf(holder), stanzaOf(holder)], expected, holder);
});
