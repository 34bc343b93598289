/**
 * Cuts a byte stream into lines of UTF-8 text without their line feed, and never holds more than one line of at most `limit` bytes.
 */
export class LineReader {
  readonly #limit: number;
  readonly #parts: Uint8Array[] = [];
  #held = 0;

  /** @param limit - longest line in bytes, its line feed included */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Takes the next bytes of the stream and returns the lines that they complete.
   *
   * @throws RangeError when a line is longer than the limit; nothing more can be read from this stream then
   */
  push(chunk: Uint8Array): string[] {
    const lines: string[] = [];
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(0x0a, from);
      const size = this.#held + (end === -1 ? chunk.length : end + 1) - from;
      if (size > this.#limit) throw new RangeError(`a line of more than ${this.#limit} bytes`);
      if (end === -1) break;
      lines.push(Buffer.concat([...this.#parts.splice(0), chunk.subarray(from, end)]).toString('utf8'));
      this.#held = 0;
      from = end + 1;
    }
    if (from < chunk.length) {
      this.#parts.push(chunk.slice(from));
      this.#held += chunk.length - from;
    }
    return lines;
  }

  /** Bytes of a line that has not ended yet. */
  get held(): number {
    return this.#held;
  }
}
