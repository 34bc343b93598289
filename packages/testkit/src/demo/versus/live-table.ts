/** A table that fills in while it is measured: drawn anew on a terminal, told cell by cell elsewhere. */

/** How good what a cell says is. */
export type Verdict = 'good' | 'fair' | 'bad';

/** What a row is called, and one line below it that says what its cells mean. */
export interface Heading {
  readonly title: string;
  readonly meaning: string;
}

/** A filled cell. */
export interface Filled {
  readonly word: string;
  readonly verdict: Verdict;
}

/** Where the table goes; standard output is one. */
export interface Screen {
  readonly write: (text: string) => unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

const COLOURS: Readonly<Record<Verdict, number>> = { good: 32, fair: 33, bad: 31 };
const [BOLD, DIM] = [1, 2] as const;
/** Characters of the first column and of each other. */
const [TITLE, CELL] = [26, 16] as const;
/** Milliseconds from one drawing to the next while a cell is being measured. */
const TICK = 500;
/** Moves the cursor up so many lines and clears from there. */
const rewind = (lines: number): string => `\u001b[${String(lines)}A\u001b[J`;

/** The table. */
export class LiveTable implements Disposable {
  readonly #screen: Screen;
  readonly #rows: readonly Heading[];
  readonly #columns: readonly string[];
  readonly #colour: boolean;
  readonly #live: boolean;
  readonly #cells = new Map<string, Filled>();
  #drawn = 0;
  #running: { readonly what: string; readonly cell: string; readonly since: number } | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(screen: Screen, rows: readonly Heading[], columns: readonly string[], colour: boolean) {
    this.#screen = screen;
    this.#rows = rows;
    this.#columns = columns;
    this.#colour = colour;
    // A table that is larger than the screen cannot be drawn over.
    const lines = this.#lines(false);
    const [width, height] = [Math.max(...lines.map((line) => line.length)), lines.length + 3];
    this.#live = screen.isTTY === true && (screen.columns ?? 0) > width && (screen.rows ?? 0) > height;
  }

  /** Measures a cell and shows what comes of it. */
  async fill<T extends Filled>(row: number, column: number, measure: () => Promise<T>): Promise<T> {
    const what = `${this.#rows[row]?.title ?? ''}, ${this.#columns[column] ?? ''}`;
    const since = performance.now();
    this.#running = { what, cell: key(row, column), since };
    if (this.#live) {
      this.#show();
      this.#timer ??= setInterval(() => {
        this.#show();
      }, TICK);
    }
    const filled = await measure();
    this.#running = undefined;
    this.#cells.set(key(row, column), filled);
    if (!this.#live) this.#say(`${what}: ${filled.word} (${((performance.now() - since) / 1000).toFixed(1)} s)`);
    return filled;
  }

  /** Shows the whole table for the last time. */
  end(): void {
    this[Symbol.dispose]();
    if (!this.#live) this.#say('');
    this.#show();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #show(): void {
    const lines = this.#lines(this.#colour);
    if (this.#running !== undefined) {
      const seconds = Math.floor((performance.now() - this.#running.since) / 1000);
      lines.push('', `${this.#running.what} … ${String(seconds)} s`);
    }
    this.#screen.write(`${this.#drawn === 0 ? '' : rewind(this.#drawn)}${lines.join('\n')}\n`);
    this.#drawn = lines.length;
  }

  #lines(colour: boolean): string[] {
    // Padding stays outside of the colours, so that it can be taken off the end of a line.
    const paint = (code: number, text: string, width = 0): string =>
      (colour ? `\u001b[${String(code)}m${text}\u001b[0m` : text) + ' '.repeat(Math.max(0, width - text.length));
    const cell = (row: number, column: number): string => {
      const filled = this.#cells.get(key(row, column));
      if (filled !== undefined) return paint(COLOURS[filled.verdict], filled.word, CELL);
      return (this.#running?.cell === key(row, column) ? '…' : '').padEnd(CELL);
    };
    return [
      ' '.repeat(TITLE) + this.#columns.map((name) => paint(BOLD, name, CELL)).join(''),
      ...this.#rows.flatMap(({ title, meaning }, row) => [
        paint(BOLD, title, TITLE) + this.#columns.map((_, column) => cell(row, column)).join(''),
        paint(DIM, `  ${meaning}`),
      ]),
    ].map((line) => line.trimEnd());
  }

  #say(line: string): void {
    this.#screen.write(`${line}\n`);
  }
}

function key(row: number, column: number): string {
  return `${String(row)},${String(column)}`;
}
