import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceId, UnixMicros } from '@postern/protocol';
import type { KnockKeys } from '../config/knock-keys.ts';
import type { User } from '../config/model.ts';
import { makeDirectory } from './directory.ts';
import { withKey, withoutRevoked } from './knock-key-book.ts';

const [A, B] = ['a' as DeviceId, 'b' as DeviceId];
const key = (value: number): Uint8Array => new Uint8Array(32).fill(value);

test('each request to join adds its key, the same one once, and the oldest of many leaves', () => {
  let keys: KnockKeys = new Map();
  for (let value = 0; value < 10; value++) keys = withKey(withKey(keys, A, key(value)), A, key(value));
  assert.deepEqual(
    keys.get(A)?.map((it) => it[0]),
    [2, 3, 4, 5, 6, 7, 8, 9],
  );
});

test('the keys of who is revoked go, those of who is unknown stay', () => {
  const keys: KnockKeys = new Map([
    [A, [key(1)]],
    [B, [key(2)]],
  ]);
  const none = { expires: undefined, revoked: undefined };
  const device = { ...none, id: A, name: 'a', publicKey: key(0), enrolled: undefined };
  const user = (over: Partial<User>): User => ({
    ...{ name: 'ada', file: '', services: [], from: undefined, maxSeconds: undefined, ...none },
    devices: [device],
    ...over,
  });
  const left = (it: User): KnockKeys => withoutRevoked(keys, makeDirectory({ services: [], users: [it] }));
  assert.equal(left(user({})), keys);
  const revoked = 1 as UnixMicros;
  assert.deepEqual([...left(user({ revoked })).keys()], [B]);
  assert.deepEqual([...left(user({ devices: [{ ...device, revoked }] })).keys()], [B]);
});
