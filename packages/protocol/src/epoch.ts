import type { UnixMicros } from './brand.ts';
import { ascii, sized, writeU32 } from './bytes.ts';
import { hkdfExpand, hkdfExtract } from './crypto.ts';
import { secret } from './secret.ts';

/** Length of an epoch in microseconds: 8,192 seconds. */
export const EPOCH_MICROS = 8_192_000_000;

const HALF = EPOCH_MICROS / 2;

/** What one gate key gives for one epoch. Secret. */
export interface EpochKeys {
  /** HalfSipHash-2-4 key of the tag, 8 bytes. */
  readonly tag: Uint8Array;
  /** ChaCha20 key of the mask, 32 bytes. */
  readonly mask: Uint8Array;
  /** HMAC-SHA256 key of the mac, 32 bytes. */
  readonly mac: Uint8Array;
}

/** The epoch that `now` is in: the one whose keys a sender uses. */
export function epochOf(now: UnixMicros): number {
  return Math.floor(now / EPOCH_MICROS);
}

/**
 * The two epochs that a gate hears at `now`, the lower one first: the last and this in the first half of an epoch, this and the
 * next in the second. So a sender whose clock is off by up to 4,096 s is heard.
 */
export function heldEpochs(now: UnixMicros): readonly [number, number] {
  const lower = Math.max(0, Math.floor((now - HALF) / EPOCH_MICROS));
  return [lower, lower + 1];
}

/** When {@link heldEpochs} next changes: the middle of an epoch. */
export function nextTurn(now: UnixMicros): UnixMicros {
  return ((Math.floor((now - HALF) / EPOCH_MICROS) + 1) * EPOCH_MICROS + HALF) as UnixMicros;
}

const SALT = ascii('postern-spa-v1');
const TAG = ascii('tag');
const MASK = ascii('mask');
const MAC = ascii('mac');

/** The keys of `epoch` (a u32) under a 32-byte gate key. @throws RangeError if either is out of range */
export function deriveEpochKeys(gateKey: Uint8Array, epoch: number): EpochKeys {
  const prk = hkdfExtract(SALT, sized(gateKey, 32, 'gate key'));
  const number = new Uint8Array(4);
  writeU32(number, 0, epoch);
  return {
    tag: secret(hkdfExpand(prk, 8, TAG, number)),
    mask: secret(hkdfExpand(prk, 32, MASK, number)),
    mac: secret(hkdfExpand(prk, 32, MAC, number)),
  };
}
