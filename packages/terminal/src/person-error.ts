/** Exit codes of both programs, documented in `docs/reference/commands.md`. */
export const EXIT = {
  ok: 0,
  /** The thing asked for did not happen; the message says why. */
  failed: 1,
  /** The command line was not understood. */
  usage: 2,
  /** The gate did not answer. */
  silent: 3,
  /** The gate answered: not permitted. */
  notPermitted: 4,
  /** The configuration or a file that it names is wrong. */
  configuration: 5,
  /** `check` found something that works but is weaker than it could be, and no error. */
  warnings: 6,
  /** `doctor` found advice, and nothing worse. */
  advice: 7,
} as const;

/**
 * An error meant for a person: what was expected and what came (`message`, lower case, no full stop), and what to do next (`hint`).
 * Printed as `NAME: error: …` and `NAME: hint: …`; a stack trace never reaches a user.
 */
export class PersonError extends Error {
  readonly hint: string | undefined;
  readonly exitCode: number;

  constructor(message: string, options: { hint?: string | undefined; exitCode?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PersonError';
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? EXIT.failed;
  }
}
