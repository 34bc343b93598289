import process from 'node:process';
import { EXIT } from './person-error.ts';

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

/** The streams of this process. A reader that goes away (`… | head -1`) ends the process quietly; nobody on stderr is no trouble. */
export function processIo(): Io {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    process.stderr.write(`the output could not be written: ${error.code ?? error.message}\n`);
    process.exit(EXIT.failed);
  });
  process.stderr.on('error', () => undefined);
  return {
    out: (line) => process.stdout.write(`${line}\n`),
    err: (line) => process.stderr.write(`${line}\n`),
    colour: process.stdout.isTTY && process.env['NO_COLOR'] === undefined,
    columns: process.stdout.columns || 80,
  };
}
