/** What sealing and opening have in common: the parts of a packet that are not encrypted to the gate. */
import { chacha20, hmacSha256 } from './crypto.ts';
import { LONG_PACKET, PACKET, SHORT_PACKET, type Suite } from './layout.ts';

/** Total size of a packet by suite. */
export const PACKET_SIZE: Readonly<Record<Suite, number>> = { 1: SHORT_PACKET, 2: LONG_PACKET };

/** Whether a packet can have this many bytes. */
export function isPacketSize(size: number): boolean {
  return size === SHORT_PACKET || size === LONG_PACKET;
}

/** `masked` (the bytes from the suite up to the mac) with the mask taken off, or put on. */
export function mask(maskKey: Uint8Array, packetNonce: Uint8Array, masked: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(12);
  nonce.set(packetNonce, 4);
  return chacha20(maskKey, nonce, masked);
}

/** The mac of a packet whose other bytes are in place: 16 bytes. */
export function macOf(packet: Uint8Array, macKey: Uint8Array): Uint8Array {
  const body = packet.subarray(0, packet.length - PACKET.macSize);
  return hmacSha256(macKey, body).subarray(0, PACKET.macSize);
}
