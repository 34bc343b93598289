import type { TimedCommands } from '../monitor/timed-commands.ts';

/** Stands where commands are run, and runs none. */
export class CommandRecorder implements Pick<TimedCommands, 'start' | 'once'> {
  #ordered: (readonly string[])[] = [];

  start({ start, stop }: Parameters<TimedCommands['start']>[0]): void {
    this.#ordered.push(...[start, stop].filter((argv) => argv !== undefined));
  }

  once({ argv }: Parameters<TimedCommands['once']>[0]): void {
    this.#ordered.push(argv);
  }

  /** What was ordered since the last call, each a program with its arguments. */
  take(): readonly (readonly string[])[] {
    const ordered = this.#ordered;
    this.#ordered = [];
    return ordered;
  }
}
