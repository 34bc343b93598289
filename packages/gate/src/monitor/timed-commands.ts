import { readFileSync } from 'node:fs';
import { MICROS_PER_SECOND, type UnixMicros } from '@postern/protocol';
import type { CommandOrder, CommandReport } from '../line/command-line.ts';
import { messageOf, type Log } from './log.ts';
import type { Store } from './store.ts';

/** Name in the state of the stop commands that are due. */
const STOPS = 'door-stops';
/** Stop commands of one owner that wait at most; where one more would have to, nothing is started. */
const MOST_STOPS = 4096;
/** How long after a stop command could not be run it is tried again. */
const AGAIN = 10 * MICROS_PER_SECOND;
/** The longest wait of a timer of Node, in milliseconds. */
const LONGEST_TIMER = 0x7fff_ffff;

/** Whose commands they are: `door front`, `stanza alice`. */
export type CommandOwner = `${'door' | 'stanza'} ${string}`;

/** A program with its arguments. */
export type Argv = readonly [string, ...string[]];

/** What is to be run now, and what later. */
export interface Timed {
  readonly owner: CommandOwner;
  /** For whom: whoever comes again before the stop moves it. */
  readonly source: string;
  /** Undefined: nothing. */
  readonly start: Argv | undefined;
  readonly stop: Argv | undefined;
  /** Microseconds between the two. */
  readonly stopAfter: number;
  /** Name of the user that they run as; undefined: the default. */
  readonly userName: string | undefined;
  /** Milliseconds that each may take. */
  readonly timeLimit: number;
}

/** A stop command that is due. */
interface Stop {
  readonly owner: CommandOwner;
  /** Address of the source, as text. */
  readonly source: string;
  readonly argv: Argv;
  readonly user: string | undefined;
  /** Milliseconds. */
  readonly timeLimit: number;
  readonly at: UnixMicros;
  /** Which start of the host what it ends was started in. */
  readonly boot: string;
}

/** What the commands stand on. */
export interface TimedCommandsContext {
  readonly order: (order: Omit<CommandOrder, 'id'>, done: (report: CommandReport) => void) => boolean;
  readonly store: Pick<Store, 'meta' | 'setMeta'>;
  readonly clock: () => UnixMicros;
  readonly log: Log;
  /** The user of that name; undefined for root. @throws PersonError when there is none */
  readonly user: (name: string | undefined, owner: CommandOwner) => CommandOrder['user'];
  /** Names this start of the host; for tests. */
  readonly boot?: string;
}

/**
 * Commands of doors and stanzas: what is run when one opens, and what is run later, also when the daemon was killed in between. Whoever comes again
 * before the stop command moves it; the start command is not run twice, unless nobody could be told to, or the host has forgotten since what it did.
 */
export class TimedCommands implements Disposable {
  readonly #context: TimedCommandsContext;
  readonly #stops = new Map<string, Stop>();
  /** Stops that were ordered and not reported yet: they are kept until then. */
  readonly #running = new Set<Stop>();
  readonly #boot: string;
  #timer: NodeJS.Timeout | undefined;

  constructor(context: TimedCommandsContext) {
    this.#context = context;
    this.#boot = context.boot ?? readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    for (const stop of readStops(context.store.meta(STOPS))) this.#stops.set(keyOf(stop.owner, stop.source), stop);
    this.#schedule();
  }

  /** Returns at once, and never throws. */
  start(timed: Timed): void {
    try {
      this.#start(timed);
    } catch (error) {
      this.#tell('error', 'commands were not run', timed.owner, { error: messageOf(error) });
    }
  }

  /** Runs one command now, as often as that is asked for. Returns at once, and never throws. */
  once({ owner, argv, userName, timeLimit }: Pick<Timed, 'owner' | 'userName' | 'timeLimit'> & { argv: Argv }): void {
    try {
      this.#order('requested', owner, argv, userName, timeLimit);
    } catch (error) {
      this.#tell('error', 'a command was not run', owner, { error: messageOf(error) });
    }
  }

  #start({ owner, source, start, stop: argv, stopAfter, userName, timeLimit }: Timed): void {
    const key = keyOf(owner, source);
    const due = this.#stops.get(key);
    if (argv !== undefined) {
      if (due === undefined && this.#waiting(owner) >= MOST_STOPS) throw new Error('too many stop commands wait');
      const at = (this.#context.clock() + stopAfter) as UnixMicros;
      this.#stops.set(key, { owner, source, argv, user: userName, timeLimit, at, boot: this.#boot });
      try {
        // Durable before anything opens: what was opened is closed, whatever happens to us.
        this.#keep();
      } catch (error) {
        if (due === undefined) this.#stops.delete(key);
        else this.#stops.set(key, due);
        throw error;
      }
      this.#schedule();
    }
    if (due?.boot === this.#boot && !this.#running.has(due)) return;
    if (start === undefined) return;
    try {
      this.#order('start', owner, start, userName, timeLimit);
    } catch (error) {
      this.#forget(key);
      throw error;
    }
  }

  #waiting(wanted: CommandOwner): number {
    return [...this.#stops.values()].filter(({ owner }) => owner === wanted).length;
  }

  /** What was not started is not stopped, and the next knock starts it. */
  #forget(key: string): void {
    if (!this.#stops.delete(key)) return;
    try {
      this.#keep();
    } catch {
      // After a restart it is stopped for nothing.
    }
    this.#schedule();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    let first = Number.POSITIVE_INFINITY;
    for (const stop of this.#stops.values()) if (!this.#running.has(stop)) first = Math.min(first, stop.at);
    if (first === Number.POSITIVE_INFINITY) return;
    const wait = Math.min(LONGEST_TIMER, Math.max(0, Math.ceil((first - this.#context.clock()) / 1000)));
    this.#timer = setTimeout(() => {
      this.#runDue();
    }, wait);
  }

  #runDue(): void {
    const now = this.#context.clock();
    for (const [key, stop] of [...this.#stops])
      if (stop.at <= now && !this.#running.has(stop)) this.#runStop(key, stop);
    this.#schedule();
  }

  /** It is due until it was run: whoever dies before that, we, the runner or the host, it comes later. */
  #runStop(key: string, stop: Stop): void {
    const { owner, argv, user, timeLimit } = stop;
    this.#running.add(stop);
    try {
      this.#order('stop', owner, argv, user, timeLimit, (wasRun) => {
        this.#stopped(key, stop, wasRun);
      });
    } catch (error) {
      this.#tell('error', 'a stop command was not run; it is tried again', owner, { error: messageOf(error) });
      this.#stopped(key, stop, false);
    }
  }

  #stopped(key: string, stop: Stop, wasRun: boolean): void {
    this.#running.delete(stop);
    // Who knocked meanwhile has another one.
    if (this.#stops.get(key) === stop) {
      if (wasRun) this.#stops.delete(key);
      else this.#stops.set(key, { ...stop, at: (this.#context.clock() + AGAIN) as UnixMicros });
    }
    try {
      this.#keep();
    } catch (error) {
      // After a restart it is run once more, which is better than never.
      const message = messageOf(error);
      this.#context.log('error', 'which stop commands were run could not be recorded', { error: message });
    }
    this.#schedule();
  }

  #order(
    what: string,
    owner: CommandOwner,
    argv: Argv,
    name: string | undefined,
    timeLimit: number,
    done: (wasRun: boolean) => void = () => undefined,
  ): void {
    const user = this.#context.user(name, owner);
    const ordered = this.#context.order({ argv, user, timeLimit }, ({ how, code, output }) => {
      const said = output.trim() === '' ? undefined : output.trim();
      if (how === 'ended' && code === 0) this.#tell('info', `the ${what} command ended`, owner, { output: said });
      else this.#tell('error', `the ${what} command failed`, owner, { how, code, program: argv[0], output: said });
      done(how !== 'not-started');
    });
    if (!ordered) throw new Error('too many commands wait');
  }

  #tell(
    level: 'info' | 'error',
    what: string,
    owner: CommandOwner,
    more: Readonly<Record<string, string | number | undefined>>,
  ): void {
    const space = owner.indexOf(' ');
    this.#context.log(level, what, { [owner.slice(0, space)]: owner.slice(space + 1), ...more });
  }

  #keep(): void {
    this.#context.store.setMeta(STOPS, Buffer.from(JSON.stringify([...this.#stops.values()]), 'utf8'));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

function keyOf(owner: CommandOwner, source: string): string {
  return `${owner} ${source}`;
}

/** What we wrote; nothing of a state that somebody else wrote. */
function readStops(bytes: Uint8Array | undefined): readonly Stop[] {
  if (bytes === undefined) return [];
  const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
  if (!Array.isArray(value)) return [];
  // What an earlier version wrote names a door alone.
  return (value as readonly (Stop & { readonly door?: string })[]).map(({ door, ...stop }) =>
    door === undefined ? stop : { ...stop, owner: `door ${door}` },
  );
}
