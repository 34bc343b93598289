import { inspect } from 'node:util';
import type { Io } from './io.ts';
import { PersonError } from './person-error.ts';
import { printable } from './printable.ts';
import { cyan, red } from './style.ts';

/** How a failure is shown. */
export interface FailureStyle {
  /** Name of the program. */
  readonly program: string;
  /** One JSON document on standard output instead of text on standard error. */
  readonly json: boolean;
  /** Show the stack of what is a bug of ours. */
  readonly debug: boolean;
}

function asPersonError(error: unknown, program: string): PersonError {
  if (error instanceof PersonError) return error;
  const message = error instanceof Error ? error.message : inspect(error);
  return new PersonError(`internal error: ${message}`, {
    hint: `this is a bug in ${program}; POSTERN_DEBUG=1 shows where`,
    cause: error,
  });
}

/**
 * Shows why a command failed, and returns its exit code: `NAME: error: …` and `NAME: hint: …` on standard error, or with `--json`
 * `{ "error": { "message", "hint"?, "exitCode" } }` on standard output. What came from elsewhere is made printable; a hint of several
 * lines is several hints.
 */
export function showFailure(thrown: unknown, io: Io, { program, json, debug }: FailureStyle): number {
  const { message, hint, exitCode } = asPersonError(thrown, program);
  if (json) io.out(JSON.stringify({ error: { message, hint, exitCode } }));
  else {
    const { errorColour } = io;
    io.err(`${program}: ${red('error:', errorColour)} ${printable(message)}`);
    for (const line of hint?.split('\n') ?? []) io.err(`${program}: ${cyan('hint:', errorColour)} ${printable(line)}`);
  }
  if (debug && thrown instanceof Error && !(thrown instanceof PersonError)) io.err(thrown.stack ?? '');
  return exitCode;
}
