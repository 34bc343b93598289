/** Asks for a passphrase: by a program of the user's, or on the terminal, which ssh leaves free for that. Nothing of it is shown or kept. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import process from 'node:process';
import { EXIT, PersonError } from '@postern/terminal';
import { WINDOWS, type Environment } from './platform.ts';

/** Longest passphrase, in bytes. */
const MOST = 1024;

/** Loaded only when somebody must be asked: most keys have no passphrase. */
function run(
  program: string,
  words: readonly string[],
  input: 'ignore' | number,
  errors: 'ignore' | 'inherit',
): string {
  const { execFileSync } = process.getBuiltinModule('node:child_process');
  return execFileSync(program, words, { encoding: 'utf8', stdio: [input, 'pipe', errors], maxBuffer: 4 * MOST });
}

/** Asks one question; returns what was answered. @throws PersonError where nobody can be asked, or nobody answered */
export type AskPassphrase = (question: string) => string;

const NOBODY =
  '`POSTERN_ASKPASS=PROGRAM` names a program that asks (as `SSH_ASKPASS` does for ssh), where there is no terminal';

/** Asks `POSTERN_ASKPASS`; without one the terminal; without one `SSH_ASKPASS`, where ssh would ask it. */
export function askPassphrase(
  question: string,
  environment: Environment = process.env,
  why = 'the key of this host has a passphrase',
): string {
  const { POSTERN_ASKPASS, SSH_ASKPASS, SSH_ASKPASS_REQUIRE, DISPLAY, WAYLAND_DISPLAY } = environment;
  if (POSTERN_ASKPASS !== undefined && POSTERN_ASKPASS !== '') return fromProgram(POSTERN_ASKPASS, question);
  const terminal = openTerminal();
  if (terminal !== undefined) return fromTerminal(terminal, question);
  const screen = DISPLAY ?? WAYLAND_DISPLAY;
  if (SSH_ASKPASS !== undefined && SSH_ASKPASS !== '' && (screen !== undefined || SSH_ASKPASS_REQUIRE === 'force'))
    return fromProgram(SSH_ASKPASS, question);
  throw new PersonError(`${why}, and there is no terminal to ask for it`, {
    hint: NOBODY,
    exitCode: EXIT.configuration,
  });
}

/** Fewest characters of a new passphrase. Whoever has the file can try as fast as Argon2id lets him. */
const LEAST = 8;

/** Asks for a new passphrase, twice. @throws PersonError when it is too short or the two differ: nothing was changed then */
export function askNewPassphrase(name: string, ask: AskPassphrase = askPassphrase): string {
  const passphrase = ask(`new passphrase for ${name} (at least ${LEAST} characters): `);
  if (passphrase.length < LEAST) {
    throw new PersonError(`a passphrase of at least ${LEAST} characters expected`, {
      hint: 'nothing was changed; several words that are in no book together are easy to keep in mind',
      exitCode: EXIT.usage,
    });
  }
  if (ask('the same again: ') !== passphrase) {
    throw new PersonError('the two differ', { hint: 'nothing was changed', exitCode: EXIT.usage });
  }
  return passphrase;
}

function fromProgram(program: string, question: string): string {
  try {
    return run(program, [question], 'ignore', 'inherit').replace(/\r?\n$/, '');
  } catch (error) {
    // The error of Node holds what the program printed.
    const { code, status } = error as { code?: string; status?: number | null };
    const what = code ?? `it ended with ${status ?? 'a signal'}`;
    throw new PersonError(`${program} gave no passphrase: ${what}`, { hint: NOBODY, exitCode: EXIT.configuration });
  }
}

function openTerminal(): number | undefined {
  if (WINDOWS) return undefined;
  try {
    return openSync('/dev/tty', 'r+');
  } catch {
    return undefined;
  }
}

/** Reads one line without showing it. Signals of the keyboard are read as characters: nobody else would switch the terminal back. */
function fromTerminal(terminal: number, question: string): string {
  const stty = (...words: readonly string[]): string => run('stty', words, terminal, 'ignore').trim();
  try {
    const before = stty('-g');
    try {
      stty('-echo', '-icanon', '-isig', 'min', '1', 'time', '0');
      writeSync(terminal, question);
      return readLine(terminal);
    } finally {
      stty(before);
      writeSync(terminal, '\n');
    }
  } finally {
    closeSync(terminal);
  }
}

function readLine(terminal: number): string {
  const bytes: number[] = [];
  const one = Buffer.alloc(1);
  try {
    for (;;) {
      const end = readSync(terminal, one, 0, 1, null) === 0;
      const byte = end ? 4 : one[0];
      if (byte === 3 || byte === 4) throw new PersonError('given up: no passphrase', { exitCode: EXIT.configuration });
      if (byte === 10 || byte === 13) return Buffer.from(bytes).toString('utf8');
      if (byte === 21) bytes.length = 0;
      else if (byte === 8 || byte === 127) eraseCharacter(bytes);
      else if (byte !== undefined && bytes.length < MOST) bytes.push(byte);
    }
  } finally {
    one.fill(0);
    bytes.fill(0);
  }
}

/** Takes away a whole character of UTF-8. */
function eraseCharacter(bytes: number[]): void {
  let last = bytes.pop();
  while (last !== undefined && (last & 0xc0) === 0x80) last = bytes.pop();
}
