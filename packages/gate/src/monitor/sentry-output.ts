/** What a sentry may say before it is only counted: a crash takes about twenty lines. */
const MOST_LINES = 40;
const LONGEST_LINE = 300;

/**
 * Passes on what a sentry writes to its standard error, line by line: bounded, because the sentry may be somebody else's, and without
 * anything that a terminal or a log would take for more than text.
 */
export class SentryOutput {
  readonly #write: (line: string) => void;
  #line = '';
  #lines = 0;
  #last: string | undefined;

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  /** The last line that was not empty. */
  get lastLine(): string | undefined {
    return this.#last;
  }

  /** Takes the next piece. */
  push(piece: Uint8Array): void {
    for (const byte of piece) {
      if (byte === 0x0a) this.end();
      else if (this.#line.length < LONGEST_LINE) this.#line += printable(byte);
    }
  }

  /** Passes on what is left without a line feed. */
  end(): void {
    const line = this.#line;
    this.#line = '';
    if (line === '') return;
    this.#last = line;
    this.#lines++;
    if (this.#lines < MOST_LINES) this.#write(line);
    else if (this.#lines === MOST_LINES) this.#write('(more is not shown)');
  }
}

function printable(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
}
