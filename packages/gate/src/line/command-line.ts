/**
 * The line between the monitor and the runner of commands: a JSON object a line, orders one way and reports the other. The runner trusts
 * the monitor; the monitor takes nothing from a report but what it logs.
 */

/** One command. `user` undefined: as root, because the configuration says so. */
export interface CommandOrder {
  readonly id: number;
  /** Program and arguments; no shell comes near them. */
  readonly argv: readonly [string, ...string[]];
  readonly user: { readonly uid: number; readonly gid: number; readonly name: string } | undefined;
  /** Milliseconds until it is ended. */
  readonly timeLimit: number;
}

/** What became of it. */
export interface CommandReport {
  readonly id: number;
  /** Exit code; -1 where a signal ended it or it did not start. */
  readonly code: number;
  /** `time-limit`: it took too long. `not-started`: see the output. */
  readonly how: 'ended' | 'signal' | 'time-limit' | 'not-started';
  /** The beginning of what it wrote, standard output and errors together; printable ASCII and line feeds. */
  readonly output: string;
}

/** Bytes of a command's output that are kept. */
export const MOST_OUTPUT = 2048;

/** Commands that run at once; others wait. */
export const MOST_RUNNING = 8;

/** Reads a report; undefined when it is none. */
export function decodeReport(line: string): CommandReport | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { id, code, how, output } = value as Partial<Record<keyof CommandReport, unknown>>;
  if (!Number.isSafeInteger(id) || !Number.isSafeInteger(code) || typeof output !== 'string') return undefined;
  if (how !== 'ended' && how !== 'signal' && how !== 'time-limit' && how !== 'not-started') return undefined;
  return { id: Number(id), code: Number(code), how, output: output.slice(0, MOST_OUTPUT) };
}
