import { FRAME } from './frame.ts';

/**
 * Cuts a stream into frames of 512 bytes, whatever pieces it comes in. Holds at most one unfinished frame. The frame given to
 * `onFrame` is valid only during that call.
 */
export class Reassembler {
  readonly #onFrame: (frame: Uint8Array) => void;
  readonly #partial = new Uint8Array(FRAME);
  #filled = 0;

  constructor(onFrame: (frame: Uint8Array) => void) {
    this.#onFrame = onFrame;
  }

  /** Bytes of an unfinished frame that are held. */
  get pending(): number {
    return this.#filled;
  }

  /** Takes the next piece of the stream. */
  push(piece: Uint8Array): void {
    let offset = 0;
    while (offset < piece.length) {
      if (this.#filled === 0 && piece.length - offset >= FRAME) {
        this.#onFrame(piece.subarray(offset, offset + FRAME));
        offset += FRAME;
        continue;
      }
      const taken = Math.min(FRAME - this.#filled, piece.length - offset);
      this.#partial.set(piece.subarray(offset, offset + taken), this.#filled);
      this.#filled += taken;
      offset += taken;
      if (this.#filled < FRAME) return;
      this.#filled = 0;
      this.#onFrame(this.#partial);
    }
  }
}
