/** A knockd.conf as native doors, with a report of what became of every key. */
import type { DoorTable, StepTable } from '../door-schema.ts';
import type { Note } from '../import-note.ts';
import { recogniseIptables, splitCommand, type IptablesRule } from './command.ts';
import type { At, KnockdDoor, KnockdFile } from './file.ts';

/** A service that does by a grant what a door's commands do. */
export interface Offer {
  readonly service: string;
  readonly ports: readonly string[];
  readonly seconds: number;
}

/** One door of a knockd.conf. */
export interface Imported {
  /** Name in the knockd.conf. */
  readonly from: string;
  /** Name of the native door: what is no letter, digit, dot, underscore or hyphen became a hyphen. */
  readonly name: string;
  /** Undefined where a command needs a shell: nothing was left out of the door in silence. */
  readonly table: DoorTable | undefined;
  readonly offer: Offer | undefined;
  readonly notes: readonly Note[];
}

/** A whole knockd.conf. */
export interface Import {
  readonly doors: readonly Imported[];
  readonly notes: readonly Note[];
}

/** Where knockd's shell would look for a program. */
export type FindProgram = (name: string) => string | undefined;

/** knockd's own defaults, in seconds. */
const SEQ_TIMEOUT = 25;
const CMD_TIMEOUT = 10;
/** Seconds of a grant in place of a rule that nobody takes away again. */
const GRANT_SECONDS = 30;

/** Converts what was read. */
export function convertKnockd(file: KnockdFile, find: FindProgram): Import {
  const names = new Set<string>();
  const doors = file.doors.map((door) => convertDoor(door, nameFor(door.name, names), find));
  return { doors: doors.map((door) => withClosing(door, doors)), notes: optionNotes(file) };
}

function optionNotes({ useSyslog, logFile, pidFile, interface: device }: KnockdFile): Note[] {
  const notes: Note[] = [];
  const none = (at: At<string> | undefined, text: string): void => {
    if (at !== undefined) notes.push({ fate: 'no-meaning', line: at.line, text });
  };
  none(
    device,
    `interface = ${device?.value ?? ''}: knocks are heard on every interface; \`target\` limits a door to one address`,
  );
  none(logFile, 'logfile: posternd writes its log to standard error, where the journal takes it');
  none(pidFile, 'pidfile: posternd stays in the foreground, as systemd wishes');
  if (useSyslog) notes.push({ fate: 'no-meaning', line: 1, text: 'usesyslog: the journal takes the log' });
  return notes;
}

function nameFor(from: string, taken: Set<string>): string {
  const plain =
    from
      .replace(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 60) || 'door';
  let name = plain;
  for (let number = 2; taken.has(name); number++) name = `${plain}-${number}`;
  taken.add(name);
  return name;
}

function convertDoor(door: KnockdDoor, name: string, find: FindProgram): Imported {
  const notes: Note[] = [];
  if (name !== door.name) notes.push({ fate: 'changed', line: door.line, text: `the door is called ${name} here` });
  const knocks = knocksOf(door, notes);
  const commands = new Commands(name, find, notes);
  const [start, stop] = [commands.take('start', door.start), commands.take('stop', door.stop)];
  const [start6, stop6] = [commands.take('start6', door.start6), commands.take('stop6', door.stop6)];
  if (door.start === undefined) {
    notes.push({
      fate: 'refused',
      line: door.line,
      text: 'it runs nothing: knockd only writes a line into its log',
      mend: ['service = "NAME"  # opens a service instead'],
    });
  }
  const stopAfter = door.commandTimeout?.value ?? CMD_TIMEOUT;
  const table: DoorTable | undefined =
    commands.refused || start === undefined
      ? undefined
      : {
          ...knocks,
          start,
          ...(start6 === undefined ? {} : { start6 }),
          ...(stop === undefined || stop.length === 0 ? {} : { stop }),
          ...(stop6 === undefined || stop === undefined ? {} : { stop6 }),
          ...(stop === undefined ? {} : { stop_after: stopAfter }),
          user: 'root',
        };
  if (table !== undefined) {
    const { line } = door.start ?? door;
    notes.push({
      fate: 'weak',
      line,
      text: 'its commands run as root, as with knockd',
      mend: ['user = "nobody"  # or another user, where that is enough'],
    });
  }
  return { from: door.name, name, table, offer: offerOf(door, name, notes), notes };
}

/** The part of the table that says what opens the door. */
function knocksOf(door: KnockdDoor, notes: Note[]): DoorTable {
  const flags = flagsOf(door, notes);
  const sequence = door.sequence?.value.map(({ protocol, port }): StepTable => {
    const knock = `${protocol}/${port}`;
    return protocol === 'udp' || flags === undefined ? knock : { knock, flags };
  });
  const timeout = door.timeout?.value ?? SEQ_TIMEOUT;
  if (timeout < 1 || timeout > 3600) {
    notes.push({
      fate: 'changed',
      line: door.timeout?.line ?? door.line,
      text: `seq_timeout of ${timeout} s: 1 to 3600 s are possible here; the nearest is taken`,
    });
  }
  if (door.oneTimeSequences !== undefined) {
    const text =
      'the next three lines of its file are heard, so that a lost knock does not leave the two sides out of step';
    notes.push({ fate: 'changed', line: door.oneTimeSequences.line, text });
  } else
    notes.push({
      fate: 'weak',
      line: door.sequence?.line ?? door.line,
      text: 'who sees the sequence once can use it: `posternd doctor` says how weak it is; keyed knocking is not',
    });
  return {
    ...(sequence === undefined ? { one_time: door.oneTimeSequences?.value } : { sequence }),
    timeout: Math.min(3600, Math.max(1, timeout)),
    ...(door.target === undefined ? {} : { target: door.target.value }),
  };
}

/** The flags that a step must name; undefined for a pure SYN, which is what clients send. */
function flagsOf({ tcpFlags, line, sequence }: KnockdDoor, notes: Note[]): string | undefined {
  const hasTcp = sequence === undefined || sequence.value.some(({ protocol }) => protocol === 'tcp');
  if (tcpFlags === undefined) {
    if (hasTcp)
      notes.push({
        fate: 'changed',
        line,
        text: 'without tcpflags knockd takes any TCP packet; here a pure SYN counts, which is what every client sends',
      });
    return undefined;
  }
  const words = tcpFlags.value.split(',');
  const pure =
    words.includes('syn') &&
    words.every((word) => word === 'syn' || (word.startsWith('!') && word !== '!psh' && word !== '!urg'));
  return pure ? undefined : tcpFlags.value;
}

class Commands {
  refused = false;
  readonly #name: string;
  readonly #find: FindProgram;
  readonly #notes: Note[];

  constructor(name: string, find: FindProgram, notes: Note[]) {
    this.#name = name;
    this.#find = find;
    this.#notes = notes;
  }

  /** The arguments; none for an empty command, which does nothing on purpose. */
  take(which: 'start' | 'start6' | 'stop' | 'stop6', at: At<string> | undefined): readonly string[] | undefined {
    if (at === undefined) return undefined;
    if (at.value === '') return [];
    const split = splitCommand(at.value);
    if ('needs' in split) {
      this.#refuse(which, at, `it needs a shell, for ${split.needs}`);
      return undefined;
    }
    if (split.words.some((word) => /\{(?:source|door|family|target)\}/.test(word))) {
      this.#refuse(which, at, 'it has a text in braces that means something here');
      return undefined;
    }
    const [program = '', ...rest] = split.words;
    const found = program.startsWith('/') ? program : this.#find(program);
    if (found === undefined) {
      this.refused = true;
      this.#notes.push({
        fate: 'refused',
        line: at.line,
        text: `${which}: there is no program \`${program}\``,
        mend: [`${which} = ["/PATH/TO/${program}", …]`],
      });
      return undefined;
    }
    return [found, ...rest].map((word) => word.replaceAll('%IP%', '{source}'));
  }

  #refuse(which: string, at: At<string>, text: string): void {
    this.refused = true;
    const script = `/etc/postern/doors/${this.#name}.${which}`;
    const mend = [
      `# ${script}, mode 0755, owner root:`,
      '#!/bin/sh',
      withArgument(at.value),
      `# and in [doors.${this.#name}]:`,
      `${which} = ["${script}", "{source}"]`,
    ];
    this.#notes.push({ fate: 'refused', line: at.line, text: `${which}: ${text}; commands are run without one`, mend });
  }
}

/** A command line as the body of a script whose first argument is the address. */
export function withArgument(line: string): string {
  let quote = '';
  let result = '';
  for (let at = 0; at < line.length; at++) {
    if (line.startsWith('%IP%', at)) {
      result += quote === "'" ? `'"$1"'` : quote === '"' ? '$1' : '"$1"';
      at += 3;
      continue;
    }
    const character = line[at] ?? '';
    if (character === '\\' && quote !== "'") {
      result += character + (line[++at] ?? '');
      continue;
    }
    if ((character === "'" || character === '"') && (quote === '' || quote === character))
      quote = quote === '' ? character : '';
    result += character;
  }
  return result;
}

function ruleOf(at: At<string> | undefined): IptablesRule | undefined {
  if (at === undefined) return undefined;
  const split = splitCommand(at.value);
  return 'needs' in split ? undefined : recogniseIptables(split.words);
}

function offerOf(door: KnockdDoor, name: string, notes: Note[]): Offer | undefined {
  const start = ruleOf(door.start);
  if (start?.action !== 'add' || door.start === undefined) return undefined;
  const stop = ruleOf(door.stop);
  const closes = stop?.action === 'delete' && stop.port === start.port;
  // A stop that does something else is not to be lost.
  if (door.stop !== undefined && !closes) return undefined;
  const seconds = closes ? (door.commandTimeout?.value ?? CMD_TIMEOUT) : GRANT_SECONDS;
  const service = name
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, '-')
    .slice(0, 32);
  const now = closes ? `closes it after ${seconds} s` : 'leaves it open until somebody closes it';
  notes.push({
    fate: 'offer',
    line: door.start.line,
    text: `it opens ${start.port} with ${start.family === 4 ? 'iptables' : 'ip6tables'} and ${now}; a grant does that without a command, ends in the kernel, and connections that began live on (\`--native\` takes it)`,
  });
  return { service, ports: [start.port], seconds: Math.min(86_400, Math.max(1, seconds)) };
}

/** A door that only takes another's rule away is not needed where that one gives grants. */
function withClosing(door: Imported, doors: readonly Imported[]): Imported {
  if (door.table?.start === undefined || door.offer !== undefined) return door;
  const rule = recogniseIptables(door.table.start.map((word) => word.replaceAll('{source}', '%IP%')));
  if (rule?.action !== 'delete') return door;
  const opener = doors.find(({ offer }) => offer?.ports.includes(rule.port) === true);
  if (opener === undefined) return door;
  const line = door.notes[0]?.line ?? 1;
  const text = `it closes what ${opener.name} opens; a grant ends by itself, so with \`--native\` this door is left out`;
  return {
    ...door,
    offer: { service: opener.offer?.service ?? '', ports: [], seconds: 0 },
    notes: [...door.notes, { fate: 'offer', line, text }],
  };
}
