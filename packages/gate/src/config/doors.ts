/** Reads [doors.NAME] of posternd.toml: what it means, and what of it cannot be meant. */
import { MOST_MISSES_WITHOUT_ORDER, parseAddress, type DoorStep, type Seconds } from '@postern/protocol';
import { nearest } from '@postern/terminal';
import {
  DEFAULT_LOOK_AHEAD,
  DEFAULT_STOP_AFTER,
  DEFAULT_TIME_LIMIT,
  DEFAULT_TIMEOUT,
  parseFlags,
  parseKnock,
  type DoorTable,
  type StepTable,
} from './door-schema.ts';
import type { Door, DoorCommands, Service } from './model.ts';
import type { Path } from './positions.ts';
import { errorAt, type TomlFile } from './toml-file.ts';

const MICROS = 1_000_000;

type Refuse = (path: Path, message: string, hint?: string) => Error;

/** Reads the doors. @throws PersonError `FILE:LINE:COLUMN: …` for the first thing that is wrong */
export function readDoors(
  from: TomlFile,
  raw: Readonly<Record<string, DoorTable>>,
  services: readonly Service[],
  knockPort: number,
): readonly Door[] {
  const owners = new Map<string, string>();
  return Object.entries(raw).map(([name, table]) => {
    const refuse: Refuse = (path, message, hint) =>
      errorAt(
        from,
        ['doors', name, ...path],
        `doors.${name}${path.map((it) => (typeof it === 'number' ? `[${it + 1}]` : `.${it}`)).join('')}: ${message}`,
        hint,
      );
    checkPairs(table, refuse);
    const door = readDoor(name, table, services, refuse);
    checkPorts(door, services, knockPort, refuse);
    const key = keyOf(door);
    const owner = owners.get(key);
    if (owner !== undefined)
      throw refuse(
        [door.steps === undefined ? 'one_time' : 'sequence'],
        `the door ${owner} has the same`,
        'a sequence opens one door',
      );
    owners.set(key, name);
    return door;
  });
}

/** Which keys belong together, and which exclude each other. */
function checkPairs(table: DoorTable, refuse: Refuse): void {
  if ((table.sequence === undefined) === (table.one_time === undefined)) {
    const both = table.sequence !== undefined;
    throw refuse(
      both ? ['one_time'] : [],
      both ? 'a door has a sequence or one-time sequences, not both' : '`sequence` is missing',
      'for example: sequence = ["tcp/7000", "udp/8000", "tcp/9000"]',
    );
  }
  if ((table.service === undefined) === (table.start === undefined)) {
    const both = table.service !== undefined;
    throw refuse(
      both ? ['start'] : [],
      both ? 'a door opens a service or runs commands, not both' : 'what it opens is missing',
      'for example: service = "ssh"',
    );
  }
  const belongs = (keys: readonly (keyof DoorTable)[], to: keyof DoorTable): void => {
    if (table[to] !== undefined) return;
    const lost = keys.find((key) => table[key] !== undefined);
    if (lost !== undefined) throw refuse([lost], `it says nothing without \`${to}\``);
  };
  belongs(['look_ahead'], 'one_time');
  belongs(['seconds'], 'service');
  belongs(['start6', 'stop', 'stop6', 'stop_after', 'user', 'time_limit'], 'start');
}

function readDoor(name: string, table: DoorTable, services: readonly Service[], refuse: Refuse): Door {
  const timeout = micros(table.timeout ?? DEFAULT_TIMEOUT);
  const minGap = micros(table.min_gap ?? 0);
  const maxGap = Math.min(micros(table.max_gap ?? DEFAULT_TIMEOUT * MICROS), timeout);
  const anyOrder = table.any_order ?? false;
  if (minGap > maxGap) throw refuse(['min_gap'], 'it is longer than `max_gap` or `timeout`');
  if (anyOrder && (table.min_gap ?? table.max_gap) !== undefined)
    throw refuse(
      [table.min_gap === undefined ? 'max_gap' : 'min_gap'],
      'without order there are no gaps',
      'remove it, or any_order',
    );
  const misses = table.misses ?? 0;
  if (anyOrder && misses > MOST_MISSES_WITHOUT_ORDER)
    throw refuse(['misses'], `a door without order forgives at most ${MOST_MISSES_WITHOUT_ORDER}`);
  const steps = table.sequence?.map((step, index) =>
    readStep(step, index, { minGap, maxGap, timeout, anyOrder }, refuse),
  );
  if (steps !== undefined) checkSteps(steps, timeout, anyOrder, refuse);
  const target = table.target === undefined ? undefined : parseAddress(table.target);
  return {
    name,
    steps,
    oneTime:
      table.one_time === undefined
        ? undefined
        : { file: table.one_time, lookAhead: table.look_ahead ?? DEFAULT_LOOK_AHEAD },
    timeout,
    minGap,
    maxGap,
    misses,
    anyOrder,
    target,
    opens: readOpens(table, services, refuse),
    commands: readCommands(table, refuse),
  };
}

function micros(seconds: number): number {
  return Math.round(seconds * MICROS);
}

interface Defaults {
  readonly minGap: number;
  readonly maxGap: number;
  readonly timeout: number;
  readonly anyOrder: boolean;
}

function readStep(raw: StepTable, index: number, door: Defaults, refuse: Refuse): DoorStep {
  const step = typeof raw === 'string' ? { knock: raw } : raw;
  const knock = parseKnock(step.knock);
  if (knock === undefined) throw new Error('the schema let a knock through that is none');
  const path = ['sequence', index];
  if (step.flags !== undefined && knock.protocol !== 'tcp') throw refuse([...path, 'flags'], 'only tcp has flags');
  if (door.anyOrder && (step.min_gap ?? step.max_gap) !== undefined)
    throw refuse(path, 'without order there are no gaps', 'remove min_gap and max_gap, or any_order');
  const flags = step.flags === undefined ? undefined : parseFlags(step.flags);
  const minGap = step.min_gap === undefined ? door.minGap : micros(step.min_gap);
  const maxGap = Math.min(
    step.max_gap === undefined ? Math.max(door.maxGap, minGap) : micros(step.max_gap),
    door.timeout,
  );
  if (minGap > maxGap) throw refuse(path, 'min_gap is longer than max_gap or the timeout');
  return { ...knock, flagsSet: flags?.set ?? 0, flagsClear: flags?.clear ?? 0, minGap, maxGap };
}

function checkSteps(steps: readonly DoorStep[], timeout: number, anyOrder: boolean, refuse: Refuse): void {
  const shortest = steps.slice(1).reduce((sum, { minGap }) => sum + minGap, 0);
  if (!anyOrder && shortest > timeout)
    throw refuse(['timeout'], `its gaps alone take ${shortest / MICROS} s, so that nobody can ever finish it`);
  if (steps.some(({ protocol }) => protocol === 'icmp') && steps.some(({ protocol }) => protocol === 'icmpv6'))
    throw refuse(['sequence'], 'no source can send icmp and icmpv6', 'make it two doors');
  if (!anyOrder) return;
  const seen = new Set<string>();
  for (const [index, { protocol, port }] of steps.entries()) {
    const knock = `${protocol}/${port}`;
    if (seen.has(knock)) throw refuse(['sequence', index], 'without order no knock can stand twice');
    seen.add(knock);
  }
}

function readOpens(table: DoorTable, services: readonly Service[], refuse: Refuse): Door['opens'] {
  if (table.service === undefined) return undefined;
  const service = services.find(({ name }) => name === table.service);
  if (service === undefined) {
    const names = services.map(({ name }) => name);
    const near = nearest(table.service, names);
    const known = names.length === 0 ? 'there is no service yet' : `there are: ${names.join(', ')}`;
    throw refuse(
      ['service'],
      `there is no service ${JSON.stringify(table.service)}`,
      near === undefined ? known : `did you mean "${near}"?`,
    );
  }
  const seconds = table.seconds ?? service.seconds;
  if (seconds > service.maxSeconds)
    throw refuse(
      ['seconds'],
      `${seconds} is more than max_seconds of the service ${service.name}, ${service.maxSeconds}`,
    );
  return { service: service.name, seconds: seconds as Seconds };
}

function readCommands(table: DoorTable, refuse: Refuse): DoorCommands | undefined {
  if (table.start === undefined) return undefined;
  if (table.stop6 !== undefined && table.stop === undefined) throw refuse(['stop6'], 'it says nothing without `stop`');
  return {
    start: table.start,
    start6: table.start6,
    stop: table.stop,
    stop6: table.stop6,
    stopAfter: table.stop_after ?? DEFAULT_STOP_AFTER,
    user: table.user,
    timeLimit: table.time_limit ?? DEFAULT_TIME_LIMIT,
  };
}

/** A port with a real service is never a knock. */
function checkPorts(door: Door, services: readonly Service[], knockPort: number, refuse: Refuse): void {
  for (const [index, { protocol, port }] of (door.steps ?? []).entries()) {
    if (protocol === 'udp' && port === knockPort)
      throw refuse(['sequence', index], `udp/${port} is where single-packet knocks arrive`, 'take another port');
    const owner = services.find(({ endpoints }) =>
      endpoints.some((it) => it.protocol === protocol && it.port === port),
    );
    if (owner !== undefined)
      throw refuse(
        ['sequence', index],
        `${protocol}/${port} belongs to the service ${owner.name}: what comes there is no knock`,
        'take a port on which nothing listens',
      );
  }
}

/** What two doors must not share. */
function keyOf({ steps, oneTime, target, anyOrder }: Door): string {
  if (steps === undefined) return `file ${oneTime?.file ?? ''}`;
  const knocks = steps.map(
    ({ protocol, port, flagsSet, flagsClear }) => `${protocol}/${port}/${flagsSet}/${flagsClear}`,
  );
  return `${String(target)} ${(anyOrder ? knocks.sort() : knocks).join(' ')}`;
}
