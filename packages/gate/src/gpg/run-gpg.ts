/** Runs gpg once: no shell, no terminal, its own process group, a time limit, bounded output. */
import { spawn } from 'node:child_process';
import process from 'node:process';
import type { Readable, Writable } from 'node:stream';

/** One run. */
export interface GpgRun {
  /** Path of the program. */
  readonly program: string;
  /** Directory with the keyring, ours alone. */
  readonly home: string;
  /** What to do, behind the options that every run has. */
  readonly command: readonly string[];
  readonly input: Uint8Array;
  /** Of the private key; undefined: it has none. */
  readonly passphrase: Uint8Array | undefined;
  /** Bytes of standard output at most; one more ends the run. */
  readonly mostOutput: number;
  /** Milliseconds. */
  readonly timeLimit: number;
}

/** What came of it. */
export interface GpgRan {
  /** `too-long`: it wrote more than it may. */
  readonly how: 'ended' | 'time' | 'too-long' | 'not-started';
  /** Exit code; undefined where a signal ended it. */
  readonly code: number | undefined;
  readonly output: Buffer;
  readonly status: Buffer;
  /** The beginning of what it wrote for people, or why it did not start. May hold a stranger's text. */
  readonly errors: string;
}

const MOST_STATUS = 1 << 16;
const MOST_ERRORS = 2_048;
const ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' };

/** Every run: nobody is asked, nothing is looked up, no agent is started, and what gpg.conf says counts for nothing. */
const ALWAYS = [
  ...['--no-options', '--batch', '--no-tty', '--no-autostart', '--disable-dirmngr', '--no-auto-key-retrieve'],
  ...['--no-auto-key-locate', '--no-auto-check-trustdb', '--trust-model', 'always', '--pinentry-mode', 'loopback'],
  ...['--status-fd', '3'],
];

/** Runs it to its end. Never throws. */
export function runGpg(run: GpgRun): Promise<GpgRan> {
  const { program, home, command, input, passphrase, mostOutput, timeLimit } = run;
  const secret = passphrase === undefined ? [] : ['--passphrase-fd', '4'];
  return new Promise((resolve) => {
    // It ends with us, by the signal of a parent's death.
    const child = spawn(
      'setpriv',
      ['--pdeathsig=KILL', '--', program, '--homedir', home, ...ALWAYS, ...secret, ...command],
      {
        cwd: '/',
        env: { ...ENVIRONMENT, HOME: home },
        stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
        detached: true,
      },
    );
    const [stdin, stdout, stderr, statusPipe, secretPipe] = child.stdio as [
      Writable,
      Readable,
      Readable,
      Readable,
      Writable,
    ];
    let how: GpgRan['how'] = 'ended';
    let errors = '';
    const end = (why: GpgRan['how']): void => {
      if (how === 'ended') how = why;
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
      // Who still holds the pipes keeps nobody waiting.
      for (const pipe of [stdin, stdout, stderr, statusPipe, secretPipe]) pipe.destroy();
    };
    const limit = setTimeout(end, timeLimit, 'time');
    const tooLong = (): void => {
      end('too-long');
    };
    const output = collect(stdout, mostOutput, tooLong);
    const status = collect(statusPipe, MOST_STATUS, tooLong);
    stderr.on('data', (piece: Buffer) => {
      if (errors.length < MOST_ERRORS) errors += piece.toString('latin1');
    });
    // A program that reads nothing closes these early.
    for (const pipe of [stdin, secretPipe, stdout, stderr, statusPipe]) pipe.on('error', () => undefined);
    stdin.end(input);
    secretPipe.end(passphrase === undefined ? undefined : Buffer.concat([passphrase, NEWLINE]));
    child.once('error', (error) => {
      errors = error.message;
      end('not-started');
    });
    child.once('close', (code) => {
      clearTimeout(limit);
      const all = { output: Buffer.concat(output), status: Buffer.concat(status) };
      resolve({ how, code: code ?? undefined, ...all, errors: errors.slice(0, MOST_ERRORS) });
    });
  });
}

const NEWLINE = Buffer.from('\n');

function collect(from: Readable, most: number, tooLong: () => void): Buffer[] {
  const pieces: Buffer[] = [];
  let size = 0;
  from.on('data', (piece: Buffer) => {
    size += piece.length;
    if (size > most) tooLong();
    else pieces.push(piece);
  });
  return pieces;
}
