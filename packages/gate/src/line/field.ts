/** What the codecs of frames share: fields of a fixed place and size. */

/** Writes `bytes` at `offset`. @throws RangeError when they have not `size` bytes */
export function put(into: Uint8Array, offset: number, bytes: Uint8Array, size: number): void {
  if (bytes.length !== size) throw new RangeError(`a field at ${offset} has ${size} bytes, not ${bytes.length}`);
  into.set(bytes, offset);
}

/** Whether all bytes from `from` to before `to` are zero. */
export function zero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let index = from; index < to; index++) if (bytes[index] !== 0) return false;
  return true;
}

/** Whether the 16 bytes at `offset` are an IPv4 address, ::ffff:a.b.c.d. */
export function isMapped(bytes: Uint8Array, offset: number): boolean {
  return zero(bytes, offset, offset + 10) && bytes[offset + 10] === 0xff && bytes[offset + 11] === 0xff;
}
