import { existsSync } from 'node:fs';
import { familyOf, formatAddress, MICROS_PER_SECOND } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';
import type { Door } from '../config/model.ts';
import type { CommandOrder } from '../line/command-line.ts';
import type { CommandRunner, Opener } from './knocks.ts';
import { findUser } from './sentry-user.ts';
import type { Argv, CommandOwner, TimedCommands } from './timed-commands.ts';

/** As whom commands run when nothing is said. */
const DEFAULT_USER = 'nobody';

/** The commands of doors, with their placeholders filled. */
export class DoorCommands implements CommandRunner {
  readonly #commands: Pick<TimedCommands, 'start'>;

  constructor(commands: Pick<TimedCommands, 'start'>) {
    this.#commands = commands;
  }

  /** @throws PersonError for a user or a program that is not there */
  check(door: Door): void {
    const { commands } = door;
    if (commands === undefined) return;
    commandUser(commands.user, `door ${door.name}`);
    for (const name of ['start', 'start6', 'stop', 'stop6'] as const) {
      const [program] = commands[name] ?? [];
      if (program !== undefined) mustBeProgram(program, `doors.${door.name}.${name}`);
    }
  }

  /** Returns at once, and never throws. */
  start(door: Door, opener: Opener): void {
    const { commands } = door;
    if (commands === undefined) return;
    const six = opener.family === 6;
    const start = six ? (commands.start6 ?? commands.start) : commands.start;
    const stop = commands.stop === undefined ? undefined : six ? (commands.stop6 ?? commands.stop) : commands.stop;
    this.#commands.start({
      owner: `door ${door.name}`,
      source: formatAddress(opener.source),
      start: commandFor(start, door, opener),
      stop: stop === undefined ? undefined : commandFor(stop, door, opener),
      stopAfter: Math.round(commands.stopAfter * MICROS_PER_SECOND),
      userName: commands.user,
      timeLimit: commands.timeLimit * 1000,
    });
  }
}

/** The arguments with what the placeholders stand for; undefined for a command that does nothing. */
export function commandFor(
  command: readonly string[],
  door: Pick<Door, 'name'>,
  { source, destination }: Opener,
): Argv | undefined {
  return fillPlaceholders(command, {
    source: formatAddress(source),
    door: door.name,
    family: String(familyOf(source)),
    target: formatAddress(destination),
  });
}

/** The arguments, but not the program, with the values of `{name}`; undefined for an empty command. */
export function fillPlaceholders(
  command: readonly string[],
  values: Readonly<Record<string, string>>,
): Argv | undefined {
  const [program, ...rest] = command;
  // In one pass: what a value holds is never taken for a placeholder.
  const fill = (text: string): string =>
    text.replace(/\{([a-z_]+)\}/g, (whole, name: string) =>
      Object.hasOwn(values, name) ? (values[name] ?? whole) : whole,
    );
  return program === undefined ? undefined : [program, ...rest.map(fill)];
}

/** @throws PersonError where there is no such program */
export function mustBeProgram(program: string, where: string): void {
  if (program.startsWith('/') && existsSync(program)) return;
  throw new PersonError(`${where}: there is no program ${JSON.stringify(program)}`, {
    hint: 'the absolute path of a program is expected; no shell looks for it',
    exitCode: EXIT.configuration,
  });
}

/** The user that commands run as; undefined for root. @throws PersonError when there is none of that name */
export function commandUser(name: string | undefined, owner: CommandOwner): CommandOrder['user'] {
  const wanted = name ?? DEFAULT_USER;
  if (wanted === 'root') return undefined;
  const user = findUser(wanted);
  if (user !== undefined) return user;
  const [kind = '', owned = ''] = owner.split(' ');
  const where = kind === 'door' ? `doors.${owned}.user` : `fwknop.stanzas.${owned}`;
  throw new PersonError(`${where}: there is no user ${JSON.stringify(wanted)}`, {
    hint: 'the name of a user in /etc/passwd is expected',
    exitCode: EXIT.configuration,
  });
}
