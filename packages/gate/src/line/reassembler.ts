import { FRAME } from './frame.ts';

/**
 * Cuts a stream into frames of one size, whatever pieces it comes in. Holds at most one unfinished frame. The frame given to
 * `onFrame` is valid only during that call, and no Buffer, whose `slice` would be a view of what comes next.
 */
export class Reassembler {
  readonly #onFrame: (frame: Uint8Array) => void;
  readonly #partial: Uint8Array;
  #filled = 0;

  /** @param size - bytes of a frame */
  constructor(onFrame: (frame: Uint8Array) => void, size: number = FRAME) {
    this.#onFrame = onFrame;
    this.#partial = new Uint8Array(size);
  }

  /** Bytes of an unfinished frame that are held. */
  get pending(): number {
    return this.#filled;
  }

  /** Takes the next piece of the stream. */
  push(bytes: Uint8Array): void {
    const piece = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    const size = this.#partial.length;
    let offset = 0;
    while (offset < piece.length) {
      if (this.#filled === 0 && piece.length - offset >= size) {
        this.#onFrame(piece.subarray(offset, offset + size));
        offset += size;
        continue;
      }
      const taken = Math.min(size - this.#filled, piece.length - offset);
      this.#partial.set(piece.subarray(offset, offset + taken), this.#filled);
      this.#filled += taken;
      offset += taken;
      if (this.#filled < size) return;
      this.#filled = 0;
      this.#onFrame(this.#partial);
    }
  }
}
