/** Bytes that a source holds at most, and so the most that can be taken at once. */
export const MOST_TAKEN: number = 1 << 20;

/** Bytes of a file in their order, through one buffer of fixed size. */
export class ByteSource {
  readonly #read: (into: Uint8Array) => number;
  readonly #buffer = Buffer.alloc(MOST_TAKEN);
  #from = 0;
  #to = 0;
  #offset = 0;

  /** @param read - fills the start of what it is given and says how many bytes that were; 0 at the end, and from then on */
  constructor(read: (into: Uint8Array) => number) {
    this.#read = read;
  }

  /** Bytes that were taken or passed over. */
  get offset(): number {
    return this.#offset;
  }

  /** Whether there is nothing more. */
  get ended(): boolean {
    return !this.#has(1);
  }

  /** The next bytes, which stay the next ones; undefined where the file ends before. They are overwritten by the next call. */
  peek(size: number): Buffer | undefined {
    return this.#has(size) ? this.#buffer.subarray(this.#from, this.#from + size) : undefined;
  }

  /** The next bytes; undefined, and nothing taken, where the file ends before. They are overwritten by the next call. */
  take(size: number): Buffer | undefined {
    const bytes = this.peek(size);
    if (bytes !== undefined) this.#pass(size);
    return bytes;
  }

  /** Passes over any number of bytes; false where the file ends before. */
  skip(size: number): boolean {
    let left = size;
    while (left > 0) {
      if (this.ended) return false;
      const passed = Math.min(left, this.#to - this.#from);
      this.#pass(passed);
      left -= passed;
    }
    return true;
  }

  #pass(size: number): void {
    this.#from += size;
    this.#offset += size;
  }

  /** @throws RangeError for more than the buffer holds: the caller did not look at a length */
  #has(size: number): boolean {
    if (size > MOST_TAKEN) throw new RangeError(`at most ${String(MOST_TAKEN)} bytes can be taken at once`);
    if (this.#to - this.#from >= size) return true;
    this.#buffer.copyWithin(0, this.#from, this.#to);
    this.#to -= this.#from;
    this.#from = 0;
    while (this.#to < size) {
      const count = this.#read(this.#buffer.subarray(this.#to));
      if (count === 0) return false;
      this.#to += count;
    }
    return true;
  }
}
