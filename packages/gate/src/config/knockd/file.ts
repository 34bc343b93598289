/**
 * Reads a knockd.conf (knockd 0.8): sections of keys, `#` only as the first character of a line that is not blank, keys in any case. What
 * knockd refuses is refused here too, with the line.
 */
import { parseAddress } from '@postern/protocol';
import { EXIT, nearest, PersonError } from '@postern/terminal';
import { parseFlags } from '../door-schema.ts';

/** A value and the line that it stands in, from 1. */
export interface At<T> {
  readonly value: T;
  readonly line: number;
}

/** One step: knockd knows TCP and UDP. */
export interface KnockdStep {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
}

/** One door: a section but `[options]`. */
export interface KnockdDoor {
  readonly name: string;
  readonly line: number;
  readonly sequence: At<readonly KnockdStep[]> | undefined;
  readonly oneTimeSequences: At<string> | undefined;
  /** Seconds. */
  readonly timeout: At<number> | undefined;
  /** As it was written, such as `syn,!ack`. */
  readonly tcpFlags: At<string> | undefined;
  readonly target: At<string> | undefined;
  readonly start: At<string> | undefined;
  readonly start6: At<string> | undefined;
  readonly stop: At<string> | undefined;
  readonly stop6: At<string> | undefined;
  /** Seconds between start and stop. */
  readonly commandTimeout: At<number> | undefined;
}

/** What a knockd.conf says. */
export interface KnockdFile {
  readonly path: string;
  readonly useSyslog: boolean;
  readonly logFile: At<string> | undefined;
  readonly pidFile: At<string> | undefined;
  readonly interface: At<string> | undefined;
  readonly doors: readonly KnockdDoor[];
}

/** Keys of a door by the name that knockd gives them, in small letters, and what they are here. */
const DOOR_KEYS = {
  sequence: 'sequence',
  one_time_sequences: 'oneTimeSequences',
  seq_timeout: 'timeout',
  timeout: 'timeout',
  tcpflags: 'tcpFlags',
  target: 'target',
  start_command: 'start',
  command: 'start',
  start_command_6: 'start6',
  command_6: 'start6',
  cmd_timeout: 'commandTimeout',
  stop_command: 'stop',
  stop_command_6: 'stop6',
} as const;
const OPTION_KEYS = { logfile: 'logFile', pidfile: 'pidFile', interface: 'interface' } as const;
const NAME_MOST = 127;
const STEPS_MOST = 32;

type DoorKey = (typeof DOOR_KEYS)[keyof typeof DOOR_KEYS];
type Raw = Partial<Record<DoorKey, At<string>>>;

/** Reads the text of a knockd.conf. @throws PersonError `PATH:LINE: …` for the first thing that is wrong */
export function parseKnockdFile(path: string, text: string): KnockdFile {
  const reader = new Reader(path);
  for (const [index, line] of text.split('\n').entries()) reader.read(line.trim(), index + 1);
  return reader.whole();
}

class Reader {
  readonly #path: string;
  readonly #doors: { readonly name: string; readonly line: number; readonly raw: Raw }[] = [];
  readonly #options: Partial<Record<'logFile' | 'pidFile' | 'interface', At<string>>> = {};
  #useSyslog = false;
  #section: 'none' | 'options' | 'door' = 'none';

  constructor(path: string) {
    this.#path = path;
  }

  read(line: string, number: number): void {
    if (line === '' || line.startsWith('#')) return;
    if (line.startsWith('[') && line.endsWith(']')) {
      this.#begin(line.slice(1, -1).trim(), number);
      return;
    }
    const equals = line.indexOf('=');
    const typed = (equals < 0 ? line : line.slice(0, equals)).trim();
    const key = typed.toLowerCase();
    if (this.#section === 'none') {
      throw this.#error(
        number,
        `\`${typed}\` stands in no section`,
        '[options] or the name of a door, such as [openSSH], comes first',
      );
    }
    // knockd takes this one in every section.
    if (key === 'usesyslog') {
      this.#useSyslog = true;
      return;
    }
    const value: At<string> = { value: equals < 0 ? '' : line.slice(equals + 1).trim(), line: number };
    const known: readonly string[] = Object.keys(this.#section === 'options' ? OPTION_KEYS : DOOR_KEYS);
    if (!known.includes(key)) {
      const near = nearest(key, known);
      throw this.#error(
        number,
        `unknown key \`${typed}\``,
        near === undefined ? `known are: ${known.join(', ')}` : `did you mean \`${near}\`?`,
      );
    }
    if (equals < 0) throw this.#error(number, `\`${typed}\` has no value`, `for example: ${typed} = …`);
    if (this.#section === 'options') this.#options[OPTION_KEYS[key as keyof typeof OPTION_KEYS]] = value;
    else {
      const door = this.#doors.at(-1);
      if (door !== undefined) door.raw[DOOR_KEYS[key as keyof typeof DOOR_KEYS]] = value;
    }
  }

  whole(): KnockdFile {
    const { logFile, pidFile, interface: device } = this.#options;
    return {
      path: this.#path,
      useSyslog: this.#useSyslog,
      ...{ logFile, pidFile, interface: device },
      doors: this.#doors.map(({ name, line, raw }) => this.#door(name, line, raw)),
    };
  }

  #begin(name: string, line: number): void {
    if (name.toLowerCase() === 'options') {
      this.#section = 'options';
      return;
    }
    if (name === '') throw this.#error(line, 'a door without a name');
    this.#section = 'door';
    this.#doors.push({ name: name.slice(0, NAME_MOST), line, raw: {} });
  }

  #door(name: string, line: number, raw: Raw): KnockdDoor {
    const { sequence, oneTimeSequences, target, tcpFlags } = raw;
    if (sequence === undefined && oneTimeSequences === undefined) {
      throw this.#error(
        line,
        `the door ${JSON.stringify(name)} has no sequence`,
        'for example: sequence = 7000,8000,9000',
      );
    }
    if (target !== undefined && parseAddress(target.value) === undefined) {
      throw this.#error(target.line, `target: an address expected, not ${JSON.stringify(target.value)}`);
    }
    if (tcpFlags !== undefined && parseFlags(tcpFlags.value.toLowerCase()) === undefined) {
      throw this.#error(
        tcpFlags.line,
        `tcpflags: ${JSON.stringify(tcpFlags.value)} is no list of flags`,
        'for example: syn,!ack (of fin, syn, rst, psh, ack, urg, without blanks)',
      );
    }
    return {
      ...{
        name,
        line,
        oneTimeSequences,
        target,
        start: raw.start,
        start6: raw.start6,
        stop: raw.stop,
        stop6: raw.stop6,
      },
      tcpFlags: tcpFlags === undefined ? undefined : { ...tcpFlags, value: tcpFlags.value.toLowerCase() },
      // A file of one-time sequences wins over a sequence.
      sequence: sequence === undefined || oneTimeSequences !== undefined ? undefined : this.#sequence(sequence),
      timeout: this.#seconds('seq_timeout', raw.timeout),
      commandTimeout: this.#seconds('cmd_timeout', raw.commandTimeout),
    };
  }

  #sequence({ value, line }: At<string>): At<readonly KnockdStep[]> {
    const steps = parseKnockdSequence(value);
    if (typeof steps === 'string') throw this.#error(line, `sequence: ${steps}`, 'for example: 7000,8000:udp,9000:tcp');
    return { value: steps, line };
  }

  #seconds(key: string, at: At<string> | undefined): At<number> | undefined {
    if (at === undefined) return undefined;
    if (!/^[0-9]{1,9}$/.test(at.value)) {
      throw this.#error(at.line, `${key}: whole seconds expected, not ${JSON.stringify(at.value)}`);
    }
    return { value: Number(at.value), line: at.line };
  }

  #error(line: number, message: string, hint?: string): PersonError {
    return new PersonError(`${this.#path}:${line}: ${message}`, { hint, exitCode: EXIT.configuration });
  }
}

/** Reads `7000,8000:udp`; a text says what is wrong. */
export function parseKnockdSequence(text: string): readonly KnockdStep[] | string {
  const steps: KnockdStep[] = [];
  for (const word of text.split(',')) {
    const [, digits = '', protocol = 'tcp'] = /^\s*([0-9]{1,5})\s*(?::\s*([A-Za-z]+))?\s*$/.exec(word) ?? [];
    const port = Number(digits);
    const name = protocol.toLowerCase();
    if (digits === '' || port < 1 || port > 65_535 || (name !== 'tcp' && name !== 'udp')) {
      return `a port of 1 to 65535, with :tcp or :udp if need be, expected, not ${JSON.stringify(word.trim())}`;
    }
    steps.push({ protocol: name, port });
  }
  return steps.length > STEPS_MOST ? `at most ${STEPS_MOST} ports expected, not ${steps.length}` : steps;
}
