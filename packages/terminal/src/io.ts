import process from 'node:process';

/** Where a program talks to its user: passed in, so that tests can read it. */
export interface Io {
  /** Writes a line (the line feed is added) to standard output. */
  readonly out: (line: string) => void;
  /** Writes a line to standard error. */
  readonly err: (line: string) => void;
  /** Whether standard output is a terminal that shows colours (NO_COLOR is honoured). */
  readonly colour: boolean;
  /** Columns of the terminal; 80 where there is none. */
  readonly columns: number;
}

/** The streams of this process. */
export function processIo(): Io {
  return {
    out: (line) => process.stdout.write(`${line}\n`),
    err: (line) => process.stderr.write(`${line}\n`),
    colour: process.stdout.isTTY && process.env['NO_COLOR'] === undefined,
    columns: process.stdout.columns || 80,
  };
}
