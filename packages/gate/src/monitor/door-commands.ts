import { existsSync, readFileSync } from 'node:fs';
import { familyOf, formatAddress, MICROS_PER_SECOND, type UnixMicros } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';
import type { Door, DoorCommands as Commands } from '../config/model.ts';
import type { CommandOrder, CommandReport } from '../line/command-line.ts';
import type { CommandRunner, Opener } from './knocks.ts';
import { messageOf, type Log } from './log.ts';
import { findUser } from './sentry-user.ts';
import type { Store } from './store.ts';

/** As whom commands run when the door says nothing. */
const DEFAULT_USER = 'nobody';
/** Name in the state of the stop commands that are due. */
const STOPS = 'door-stops';
/** Stop commands of one door that wait at most; where one more would have to, the door does not open. */
const MOST_STOPS = 4096;
/** How long after a stop command could not be run it is tried again. */
const AGAIN = 10 * MICROS_PER_SECOND;
/** The longest wait of a timer of Node, in milliseconds. */
const LONGEST_TIMER = 0x7fff_ffff;

/** A stop command that is due. */
interface Stop {
  readonly door: string;
  /** Address of the source, as text. */
  readonly source: string;
  readonly argv: readonly [string, ...string[]];
  readonly user: string | undefined;
  /** Milliseconds. */
  readonly timeLimit: number;
  readonly at: UnixMicros;
  /** Which start of the host what it ends was started in. */
  readonly boot: string;
}

/** What the commands stand on. */
export interface DoorCommandsContext {
  readonly order: (order: Omit<CommandOrder, 'id'>, done: (report: CommandReport) => void) => boolean;
  readonly store: Pick<Store, 'meta' | 'setMeta'>;
  readonly clock: () => UnixMicros;
  readonly log: Log;
  /** Names this start of the host; for tests. */
  readonly boot?: string;
}

/**
 * The commands of doors: what is run when one opens, and what is run later, also when the daemon was killed in between. Whoever knocks again
 * before the stop command moves it; the start command is not run twice, unless nobody could be told to, or the host has forgotten since what it did.
 */
export class DoorCommands implements CommandRunner, Disposable {
  readonly #context: DoorCommandsContext;
  readonly #stops = new Map<string, Stop>();
  /** Stops that were ordered and not reported yet: they are kept until then. */
  readonly #running = new Set<Stop>();
  readonly #boot: string;
  #timer: NodeJS.Timeout | undefined;

  constructor(context: DoorCommandsContext) {
    this.#context = context;
    this.#boot = context.boot ?? readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    for (const stop of readStops(context.store.meta(STOPS))) this.#stops.set(keyOf(stop.door, stop.source), stop);
    this.#schedule();
  }

  /** @throws PersonError for a user or a program that is not there */
  check(door: Door): void {
    const { commands } = door;
    if (commands === undefined) return;
    userOf(commands.user, `doors.${door.name}.user`);
    for (const name of ['start', 'start6', 'stop', 'stop6'] as const) {
      const [program] = commands[name] ?? [];
      if (program === undefined) continue;
      if (!program.startsWith('/') || !existsSync(program)) {
        throw new PersonError(`doors.${door.name}.${name}: there is no program ${JSON.stringify(program)}`, {
          hint: 'the absolute path of a program is expected; no shell looks for it',
          exitCode: EXIT.configuration,
        });
      }
    }
  }

  /** Returns at once, and never throws. */
  start(door: Door, opener: Opener): void {
    try {
      this.#start(door, opener);
    } catch (error) {
      const message = messageOf(error);
      this.#context.log('error', 'the commands of a door were not run', { door: door.name, error: message });
    }
  }

  #start(door: Door, opener: Opener): void {
    const { commands } = door;
    if (commands === undefined) return;
    const source = formatAddress(opener.source);
    const key = keyOf(door.name, source);
    const due = this.#stops.get(key);
    const stop = this.#stopOf(door, commands, opener);
    if (stop !== undefined) {
      if (due === undefined && this.#waiting(door) >= MOST_STOPS) throw new Error('too many stop commands wait');
      this.#stops.set(key, stop);
      try {
        // Durable before the door opens: what was opened is closed, whatever happens to us.
        this.#keep();
      } catch (error) {
        if (due === undefined) this.#stops.delete(key);
        else this.#stops.set(key, due);
        throw error;
      }
      this.#schedule();
    }
    if (due?.boot === this.#boot && !this.#running.has(due)) return;
    const argv = commandFor(opener.family === 6 ? (commands.start6 ?? commands.start) : commands.start, door, opener);
    if (argv === undefined) return;
    const { user, timeLimit } = commands;
    try {
      this.#order('start', door.name, argv, user, timeLimit * 1000);
    } catch (error) {
      this.#forget(key);
      throw error;
    }
  }

  #waiting({ name }: Door): number {
    return [...this.#stops.values()].filter(({ door }) => door === name).length;
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

  #stopOf(door: Door, commands: Commands, opener: Opener): Stop | undefined {
    if (commands.stop === undefined) return undefined;
    const argv = commandFor(opener.family === 6 ? (commands.stop6 ?? commands.stop) : commands.stop, door, opener);
    if (argv === undefined) return undefined;
    return {
      ...{ door: door.name, source: formatAddress(opener.source), argv, user: commands.user },
      timeLimit: commands.timeLimit * 1000,
      at: (this.#context.clock() + Math.round(commands.stopAfter * MICROS_PER_SECOND)) as UnixMicros,
      boot: this.#boot,
    };
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
    const { door, argv, user, timeLimit } = stop;
    this.#running.add(stop);
    try {
      this.#order('stop', door, argv, user, timeLimit, (wasRun) => {
        this.#stopped(key, stop, wasRun);
      });
    } catch (error) {
      const message = messageOf(error);
      this.#context.log('error', 'a stop command was not run; it is tried again', { door, error: message });
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
    door: string,
    argv: readonly [string, ...string[]],
    name: string | undefined,
    timeLimit: number,
    done: (wasRun: boolean) => void = () => undefined,
  ): void {
    const user = userOf(name, `doors.${door}.user`);
    const { log } = this.#context;
    const ordered = this.#context.order({ argv, user, timeLimit }, ({ how, code, output }) => {
      const said = output.trim() === '' ? undefined : output.trim();
      if (how === 'ended' && code === 0) log('info', `the ${what} command of a door ended`, { door, output: said });
      else log('error', `the ${what} command of a door failed`, { door, how, code, program: argv[0], output: said });
      done(how !== 'not-started');
    });
    if (!ordered) throw new Error('too many commands wait');
  }

  #keep(): void {
    this.#context.store.setMeta(STOPS, Buffer.from(JSON.stringify([...this.#stops.values()]), 'utf8'));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

function keyOf(door: string, source: string): string {
  return `${door} ${source}`;
}

/** The arguments with what the placeholders stand for; undefined for a command that does nothing. */
export function commandFor(
  command: readonly string[],
  door: Pick<Door, 'name'>,
  { source, destination }: Opener,
): readonly [string, ...string[]] | undefined {
  const values: Readonly<Record<string, string>> = {
    source: formatAddress(source),
    door: door.name,
    family: String(familyOf(source)),
    target: formatAddress(destination),
  };
  const [program, ...rest] = command;
  // In one pass: what a value holds is never taken for a placeholder.
  const fill = (text: string): string =>
    text.replace(/\{(source|door|family|target)\}/g, (whole, name: string) => values[name] ?? whole);
  return program === undefined ? undefined : [program, ...rest.map(fill)];
}

function userOf(name: string | undefined, where: string): CommandOrder['user'] {
  const wanted = name ?? DEFAULT_USER;
  if (wanted === 'root') return undefined;
  const user = findUser(wanted);
  if (user === undefined) {
    throw new PersonError(`${where}: there is no user ${JSON.stringify(wanted)}`, {
      hint: 'the name of a user in /etc/passwd is expected',
      exitCode: EXIT.configuration,
    });
  }
  return user;
}

/** What we wrote; nothing of a state that somebody else wrote. */
function readStops(bytes: Uint8Array | undefined): readonly Stop[] {
  if (bytes === undefined) return [];
  const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
  return Array.isArray(value) ? (value as readonly Stop[]) : [];
}
