/** `bytes` as lower-case hexadecimal digits, two for each byte. */
export function toHex(bytes: Uint8Array): string {
  // Native: a client that runs for 50 ms never gets its loops compiled, and a post-quantum key has 1,216 bytes.
  // eslint-disable-next-line no-restricted-globals -- Uint8Array.prototype.toHex is not in Node 24
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

/**
 * The bytes that `text` writes in hexadecimal digits of either case.
 *
 * @throws TypeError if `text` is not hexadecimal digits only; RangeError if their number is odd
 */
export function fromHex(text: string): Uint8Array {
  if (!/^[0-9a-f]*$/i.test(text)) throw new TypeError('hexadecimal digits expected');
  if (text.length % 2 !== 0) throw new RangeError('an even number of hexadecimal digits expected');
  // eslint-disable-next-line no-restricted-globals -- nor is Uint8Array.fromHex
  return new Uint8Array(Buffer.from(text, 'hex'));
}

/** A new array with all `parts`, one after the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const part of parts) size += part.length;
  const joined = new Uint8Array(size);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** A copy of bytes `from` to `to` (half-open); unlike `slice` it is one also where `bytes` is a Buffer. */
export function copyOf(bytes: Uint8Array, from = 0, to: number = bytes.length): Uint8Array {
  return new Uint8Array(bytes.subarray(from, to));
}

/** The ASCII characters of `text` as bytes. @throws RangeError if one is not ASCII */
export function ascii(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) throw new RangeError('ASCII text expected');
    bytes[i] = code;
  }
  return bytes;
}

/** Whether bytes `from` to `to` (half-open) of `bytes` are all zero. Not for secrets: takes longer the more of them are. */
export function isZero(bytes: Uint8Array, from = 0, to: number = bytes.length): boolean {
  for (let i = from; i < to; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** The big-endian 16-bit integer at `offset`; bytes beyond the end count as zero. */
export function readU16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}

/** The big-endian 32-bit integer at `offset`; bytes beyond the end count as zero. */
export function readU32(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset) * 0x1_0000 + readU16(bytes, offset + 2);
}

/** The big-endian 64-bit integer at `offset`, or undefined if it is 2^53 or more; bytes beyond the end count as zero. */
export function readU64(bytes: Uint8Array, offset: number): number | undefined {
  const value = readU32(bytes, offset) * 0x1_0000_0000 + readU32(bytes, offset + 4);
  return value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}

/** Writes `value` big-endian into the 2 bytes at `offset`. @throws RangeError if it is no integer in [0, 2^16) or has no room */
export function writeU16(bytes: Uint8Array, offset: number, value: number): void {
  checkInteger(bytes, offset, 2, value, 0xffff);
  bytes[offset] = value >>> 8;
  bytes[offset + 1] = value;
}

/** Writes `value` big-endian into the 4 bytes at `offset`. @throws RangeError if it is no integer in [0, 2^32) or has no room */
export function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  checkInteger(bytes, offset, 4, value, 0xffff_ffff);
  writeU16(bytes, offset, value >>> 16);
  writeU16(bytes, offset + 2, value & 0xffff);
}

/** Writes `value` big-endian into the 8 bytes at `offset`. @throws RangeError if it is no integer in [0, 2^53) or has no room */
export function writeU64(bytes: Uint8Array, offset: number, value: number): void {
  checkInteger(bytes, offset, 8, value, Number.MAX_SAFE_INTEGER);
  writeU32(bytes, offset, Math.floor(value / 0x1_0000_0000));
  writeU32(bytes, offset + 4, value >>> 0);
}

/** Returns `bytes` if it has `size` bytes. @throws RangeError, naming `what`, if it has not */
export function sized(bytes: Uint8Array, size: number, what: string): Uint8Array {
  if (bytes.length !== size) throw new RangeError(`${what}: ${size} bytes expected, got ${bytes.length}`);
  return bytes;
}

function checkInteger(bytes: Uint8Array, offset: number, size: number, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max)
    throw new RangeError(`an integer from 0 to ${max} expected`);
  if (offset < 0 || offset + size > bytes.length) throw new RangeError('no room for the integer');
}
