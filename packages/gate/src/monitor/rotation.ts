import { MICROS_PER_SECOND, sha256, toHex, type UnixMicros } from '@postern/protocol';
import type { GateKeys } from '../config/gate-key.ts';

/** The longest that an old gate key lives beside the next. */
const LONGEST = 30 * 86_400 * MICROS_PER_SECOND;

/** A gate key's name in the database: first 8 bytes of SHA-256. */
export function gateKeyId(gateKey: Uint8Array): Uint8Array {
  return sha256(gateKey).subarray(0, 8);
}

/** A revocation: starts a rotation, or asks for another one after that which is under way (the revoked may know its next key). */
export function rotate(keys: GateKeys, fresh: Uint8Array, now: UnixMicros): GateKeys {
  if (keys.next !== undefined) return { ...keys, again: true };
  return { current: keys.current, next: fresh, since: now, again: false };
}

/**
 * Ends a rotation when nobody who may come in still needs the old key, or after 30 days. `behind` counts live devices and open
 * invites that have not used, or do not carry, the next key. Returns `keys` itself when nothing changes.
 */
export function settle(keys: GateKeys, behind: number, fresh: () => Uint8Array, now: UnixMicros): GateKeys {
  if (keys.next === undefined || keys.since === undefined) return keys;
  if (behind > 0 && now - keys.since < LONGEST) return keys;
  const settled: GateKeys = { current: keys.next, next: undefined, since: undefined, again: false };
  return keys.again ? rotate(settled, fresh(), now) : settled;
}

/** The key that new invites and receipts carry. */
export function newest(keys: GateKeys): Uint8Array {
  return keys.next ?? keys.current;
}

/** Whether `id` names the newest key. */
export function isNewest(keys: GateKeys, id: string): boolean {
  return toHex(gateKeyId(newest(keys))) === id;
}
