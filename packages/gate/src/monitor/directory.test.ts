import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { deviceIdOf, importSigner, type DeviceId, type ServiceName, type UnixMicros } from '@postern/protocol';
import type { Configuration, Device, Service, User } from '../config/model.ts';
import { barred, makeDirectory, type Member } from './directory.ts';

const NOW = 1_800_000_000_000_000 as UnixMicros;

function device(changes: Partial<Device> = {}): Device {
  const { publicKey } = importSigner(randomBytes(32));
  const dates = { enrolled: undefined, expires: undefined, revoked: undefined };
  return { id: deviceIdOf(publicKey), name: 'laptop', publicKey, ...dates, ...changes };
}

function user(name: string, devices: readonly Device[], changes: Partial<User> = {}): User {
  const limits = { from: undefined, maxSeconds: undefined, expires: undefined, revoked: undefined };
  return { name, file: `${name}.toml`, services: [], devices, ...limits, ...changes };
}

function configuration(users: readonly User[], services: readonly string[] = []): Configuration {
  return {
    users,
    services: services.map((name) => ({ name: name as ServiceName }) as Service),
  } as unknown as Configuration;
}

function member(changes: Partial<Device> = {}, of: Partial<User> = {}): Member {
  const it = device(changes);
  return makeDirectory(configuration([user('alice', [it], of)])).member(it.id) ?? assert.fail();
}

test('devices are found by id with their user, services by name', () => {
  const [laptop, phone, tablet] = [device(), device(), device()];
  const directory = makeDirectory(
    configuration([user('alice', [laptop, phone]), user('bob', [tablet]), user('eve', [])], ['ssh', 'web']),
  );
  assert.equal(directory.size, 3);
  assert.equal(directory.member(phone.id)?.user.name, 'alice');
  assert.equal(directory.member(tablet.id)?.device, tablet);
  assert.equal(directory.member('00'.repeat(16) as DeviceId), undefined);
  assert.deepEqual(
    [...directory.members()].map((it) => it.device.id),
    [laptop.id, phone.id, tablet.id],
  );
  assert.equal(directory.service('web' as ServiceName)?.name, 'web');
});

test('names that every object has are nobody’s', () => {
  const directory = makeDirectory(configuration([]));
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    assert.equal(directory.member(name as DeviceId), undefined);
    assert.equal(directory.service(name as ServiceName), undefined);
  }
});

test('a key is imported once, and bytes that are no key verify nothing', () => {
  const good = member();
  assert.ok(good.verifier !== undefined);
  assert.equal(good.verifier, good.verifier);
  const bad = member({ publicKey: new Uint8Array(31) });
  assert.equal(bad.verifier, undefined);
});

test('who is revoked or expired may not come in: user or device, from that very moment on', () => {
  const before = (NOW - 1) as UnixMicros;
  const after = (NOW + 1) as UnixMicros;
  assert.equal(barred(member(), NOW), undefined);
  assert.equal(barred(member({ expires: after }, { expires: after }), NOW), undefined);
  for (const [by, of] of [
    [{ expires: NOW }, {}] as const,
    [{}, { expires: NOW }] as const,
    [{ expires: before }, {}] as const,
  ]) {
    assert.equal(barred(member(by, of), NOW), 'device-expired');
  }
  // A revocation is not for later: a clock that goes back, or a date ahead of it, does not undo one.
  for (const revoked of [before, NOW, after]) {
    assert.equal(barred(member({ revoked }), NOW), 'device-revoked');
    assert.equal(barred(member({ expires: before }, { revoked }), NOW), 'device-revoked');
  }
});

test('what a user’s file says now takes the place of what it said before, and touches nobody else', () => {
  const [laptop, phone, tablet, added] = [device(), device(), device(), device()];
  const alice = user('alice', [laptop, phone]);
  const directory = makeDirectory(configuration([alice, user('bob', [tablet])]));
  const revoked = { ...laptop, revoked: NOW };
  directory.replace(alice, user('alice', [revoked, added]));
  assert.deepEqual([...directory.members()].map((it) => it.device.id).sort(), [laptop.id, tablet.id, added.id].sort());
  assert.equal(barred(directory.member(laptop.id) ?? assert.fail(), NOW), 'device-revoked');
  assert.equal(directory.member(phone.id), undefined);
  directory.replace(undefined, user('carol', [phone]));
  assert.equal(directory.member(phone.id)?.user.name, 'carol');
  assert.equal(directory.size, 4);
});
