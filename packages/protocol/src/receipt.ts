import type { UnixMicros } from './brand.ts';
import { concat, copyOf, isZero, readU32, readU64, sized, writeU32, writeU64 } from './bytes.ts';
import { aeadOpen, aeadSeal } from './crypto.ts';
import { RECEIPT } from './layout.ts';
import { secret } from './secret.ts';

/** What became of a recorded request; on the wire 0 to 4 in this order. */
export const RECEIPT_STATUSES = ['ok', 'clock', 'resync', 'not-permitted', 'failed'] as const;

/** One of {@link RECEIPT_STATUSES}. */
export type ReceiptStatus = (typeof RECEIPT_STATUSES)[number];

/** The gate's answer to one recorded request. */
export interface Receipt {
  readonly status: ReceiptStatus;
  /** Where the gate saw the request come from, 16 bytes; IPv4 as ::ffff:a.b.c.d. */
  readonly address: Uint8Array;
  /** When the grant ends; 0 if there is none. */
  readonly end: UnixMicros;
  /** The gate's clock. */
  readonly now: UnixMicros;
  /** The era that the device is in, a u32. */
  readonly era: number;
  /** The gate's state id, 8 bytes. */
  readonly stateId: Uint8Array;
  /** The gate key to use from now on, 32 bytes, if the gate key is being rotated. Secret. */
  readonly nextKey: Uint8Array | undefined;
}

/**
 * A receipt of 128 bytes: `nonce ‖ ChaCha20-Poly1305`, with the request's mac as associated data.
 *
 * @param nonce 12 bytes, fresh
 * @throws RangeError if a field has the wrong size or range
 */
export function sealReceipt(receiptKey: Uint8Array, mac: Uint8Array, receipt: Receipt, nonce: Uint8Array): Uint8Array {
  const plaintext = new Uint8Array(RECEIPT.plaintext);
  plaintext[RECEIPT.status] = RECEIPT_STATUSES.indexOf(receipt.status);
  plaintext.set(sized(receipt.address, 16, 'address'), RECEIPT.address);
  writeU64(plaintext, RECEIPT.end, receipt.end);
  writeU64(plaintext, RECEIPT.now, receipt.now);
  writeU32(plaintext, RECEIPT.era, receipt.era);
  plaintext.set(sized(receipt.stateId, 8, 'state id'), RECEIPT.stateId);
  if (receipt.nextKey !== undefined) plaintext.set(sized(receipt.nextKey, 32, 'next gate key'), RECEIPT.nextKey);
  return concat(sized(nonce, RECEIPT.nonceSize, 'nonce'), aeadSeal(receiptKey, nonce, mac, plaintext));
}

/** The receipt in `bytes`, or undefined if they are not one for the request with this key and mac. Total. */
export function openReceipt(receiptKey: Uint8Array, mac: Uint8Array, bytes: Uint8Array): Receipt | undefined {
  if (bytes.length !== RECEIPT.size) return undefined;
  const nonce = bytes.subarray(0, RECEIPT.nonceSize);
  const plaintext = aeadOpen(receiptKey, nonce, mac, bytes.subarray(RECEIPT.nonceSize));
  if (plaintext === undefined) return undefined;
  const status = RECEIPT_STATUSES[plaintext[RECEIPT.status] ?? RECEIPT_STATUSES.length];
  const end = readU64(plaintext, RECEIPT.end);
  const now = readU64(plaintext, RECEIPT.now);
  if (status === undefined || end === undefined || now === undefined) return undefined;
  if (!isZero(plaintext, RECEIPT.padding)) return undefined;
  return {
    status,
    address: copyOf(plaintext, RECEIPT.address, RECEIPT.end),
    end: end as UnixMicros,
    now: now as UnixMicros,
    era: readU32(plaintext, RECEIPT.era),
    stateId: copyOf(plaintext, RECEIPT.stateId, RECEIPT.nextKey),
    nextKey: isZero(plaintext, RECEIPT.nextKey, RECEIPT.padding)
      ? undefined
      : secret(copyOf(plaintext, RECEIPT.nextKey, RECEIPT.padding)),
  };
}
