/**
 * HalfSipHash-2-4 with a 32-bit output (Aumasson, Bernstein: SipHash; the half variant is in its reference implementation), as the
 * kernel filter computes it.
 *
 * @param key 8 bytes: two little-endian words
 * @param size only the first `size` bytes of `message` are hashed; so a packet's tag is computed without a copy of its nonce
 * @returns the 4 output bytes read little-endian
 */
export function halfSipHash24(key: Uint8Array, message: Uint8Array, size: number = message.length): number {
  const k0 = word(key, 0);
  const k1 = word(key, 4);
  let v0 = k0;
  let v1 = k1;
  let v2 = 0x6c796765 ^ k0;
  let v3 = 0x74656462 ^ k1;
  const whole = size & ~3;
  const tail = (word(message, whole) & ((1 << (8 * (size & 3))) - 1)) | (size << 24);
  // One word a turn: the whole ones, then the rest of the message with its length, then the end mark with four rounds.
  for (let offset = 0; offset <= whole + 4; offset += 4) {
    const last = offset > whole;
    const m = last ? 0 : offset < whole ? word(message, offset) : tail;
    if (last) v2 ^= 0xff;
    v3 ^= m;
    for (let round = last ? 4 : 2; round > 0; round--) {
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
    }
    v0 ^= m;
  }
  return (v1 ^ v3) >>> 0;
}

function word(bytes: Uint8Array, offset: number): number {
  return (
    (bytes[offset] ?? 0) |
    ((bytes[offset + 1] ?? 0) << 8) |
    ((bytes[offset + 2] ?? 0) << 16) |
    ((bytes[offset + 3] ?? 0) << 24)
  );
}
