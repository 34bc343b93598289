/**
 * Zeros that take memory page by page, when something is first written there. A buffer that could be resized lies in pages of its own; one of fixed
 * size comes from malloc, which often gives what was in use before, and writes the zeros itself.
 */
export function lazyMemory(bytes: number): ArrayBuffer {
  return new ArrayBuffer(bytes, { maxByteLength: bytes });
}
