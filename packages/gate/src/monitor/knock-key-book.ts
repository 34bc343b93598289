import { equal, type DeviceId } from '@postern/protocol';
import type { KnockKeys } from '../config/knock-keys.ts';
import type { Directory } from './directory.ts';

/** Keys that are kept of one device: of so many requests to join one must have been answered. */
const MOST_KEYS = 8;

/** The keys with one more of a device; the oldest of too many leaves. */
export function withKey(keys: KnockKeys, device: DeviceId, key: Uint8Array): KnockKeys {
  const held = keys.get(device) ?? [];
  if (held.some((it) => equal(it, key))) return keys;
  return new Map(keys).set(device, [...held, key].slice(-MOST_KEYS));
}

/**
 * The keys but for those of devices that are revoked, they or their users; the same object if there are none. Who is unknown stays: a user's file
 * that is broken for a moment shall not cost the keys.
 */
export function withoutRevoked(keys: KnockKeys, directory: Directory): KnockKeys {
  const revoked = [...keys.keys()].filter((id) => {
    const member = directory.member(id);
    return member !== undefined && (member.device.revoked ?? member.user.revoked) !== undefined;
  });
  if (revoked.length === 0) return keys;
  const left = new Map(keys);
  for (const id of revoked) left.delete(id);
  return left;
}
