import { fstatSync, writeSync } from 'node:fs';
import process from 'node:process';
import { EXIT } from './person-error.ts';

/** Where a program talks to its user: passed in, so that tests can read it. */
export interface Io {
  /** Writes a line (the line feed is added) to standard output. */
  readonly out: (line: string) => void;
  /** Writes a line to standard error. */
  readonly err: (line: string) => void;
  /** Whether standard output is a terminal that shows colours (NO_COLOR and TERM=dumb are honoured). */
  readonly colour: boolean;
  /** The same for standard error. */
  readonly errorColour: boolean;
  /** Columns of the terminal; 80 where there is none. */
  readonly columns: number;
  /** Shows a passing line on standard error in the place of the last one; undefined where that is no terminal. */
  readonly passing: ((line: string) => void) | undefined;
}

/** Loading Node's streams takes 2 ms, so they are made where they are needed only: for terminals, and where a pipe is full. */
function mayBeTerminal(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isCharacterDevice();
  } catch {
    return false;
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

/** A reader that goes away (`… | head -1`) ends the process quietly; nobody on stderr is no trouble. */
function lost(descriptor: 1 | 2, code: string): void {
  if (descriptor === 2) return;
  if (code === 'EPIPE') process.exit();
  put(2, `the output could not be written: ${code}\n`);
  process.exit(EXIT.failed);
}

/** Streams that took over from direct writes, so that all later lines come behind. */
const streams: { 1?: NodeJS.WriteStream; 2?: NodeJS.WriteStream } = {};

function put(descriptor: 1 | 2, text: string): void {
  const taken = streams[descriptor];
  if (taken !== undefined) {
    taken.write(text);
    return;
  }
  let rest = Buffer.from(text);
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(descriptor, rest));
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'EAGAIN') {
      lost(descriptor, code);
      return;
    }
    // Somebody made the pipe non-blocking, and it is full: the stream waits for its reader.
    const stream = descriptor === 1 ? process.stdout : process.stderr;
    streams[descriptor] = stream;
    stream.on('error', (later) => {
      lost(descriptor, codeOf(later));
    });
    stream.write(rest);
  }
}

/** The streams of this process. */
export function processIo(): Io {
  const { env } = process;
  const plain = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
  return {
    out: (line) => {
      put(1, `${line}\n`);
    },
    err: (line) => {
      put(2, `${line}\n`);
    },
    get colour() {
      return !plain && mayBeTerminal(1) && process.stdout.isTTY;
    },
    get errorColour() {
      return !plain && mayBeTerminal(2) && process.stderr.isTTY;
    },
    get columns() {
      return (mayBeTerminal(1) && process.stdout.columns) || 80;
    },
    get passing() {
      if (!mayBeTerminal(2) || !process.stderr.isTTY || env['TERM'] === 'dumb') return undefined;
      return (line: string) => {
        put(2, `\r\u001b[2K${line}`);
      };
    },
  };
}
