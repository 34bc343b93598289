/** What [doors.NAME] in posternd.toml may say. `docs/reference/configuration.md` says what it means. */
import { MOST_DOOR_STEPS, parseAddress } from '@postern/protocol';
import * as v from 'valibot';
import { duration, text, whole } from './schema-parts.ts';

/** Seconds that a sequence may take when a door sets none. */
export const DEFAULT_TIMEOUT = 25;
/** The most seconds that a sequence may take. */
export const MAX_TIMEOUT = 3_600;
/** Lines of a file of one-time sequences that are heard at once when a door sets none. */
export const DEFAULT_LOOK_AHEAD = 3;
/** Seconds between a door's start and stop commands when it sets none. */
export const DEFAULT_STOP_AFTER = 10;
/** Seconds that a command may take when a door sets none. */
export const DEFAULT_TIME_LIMIT = 10;

/** A step as posternd.toml writes it. */
export type StepTable =
  | string
  | {
      readonly knock: string;
      readonly flags?: string | undefined;
      readonly min_gap?: number | undefined;
      readonly max_gap?: number | undefined;
    };

/** A door as posternd.toml writes it. */
export interface DoorTable {
  readonly sequence?: readonly StepTable[] | undefined;
  readonly one_time?: string | undefined;
  readonly look_ahead?: number | undefined;
  readonly timeout?: number | undefined;
  readonly min_gap?: number | undefined;
  readonly max_gap?: number | undefined;
  readonly misses?: number | undefined;
  readonly any_order?: boolean | undefined;
  readonly target?: string | undefined;
  readonly service?: string | undefined;
  readonly seconds?: number | undefined;
  readonly start?: readonly string[] | undefined;
  readonly start6?: readonly string[] | undefined;
  readonly stop?: readonly string[] | undefined;
  readonly stop6?: readonly string[] | undefined;
  readonly stop_after?: number | undefined;
  readonly user?: string | undefined;
  readonly time_limit?: number | undefined;
}

/** TCP flags by name, as bits (RFC 9293, section 3.1). */
const FLAGS: Readonly<Record<string, number>> = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32 };

/** Reads `tcp/7000`, `udp/7000`, `icmp` or `icmpv6`; the port of an echo request is 0. */
export function parseKnock(knock: string): { protocol: 'tcp' | 'udp' | 'icmp' | 'icmpv6'; port: number } | undefined {
  if (knock === 'icmp' || knock === 'icmpv6') return { protocol: knock, port: 0 };
  const [, protocol, digits] = /^(tcp|udp)\/([1-9][0-9]{0,4})$/.exec(knock) ?? [];
  const port = Number(digits);
  return protocol === undefined || port > 65_535 ? undefined : { protocol: protocol === 'tcp' ? 'tcp' : 'udp', port };
}

/** Reads `syn,!ack`: flags that must be set and that must not be, each at most once. */
export function parseFlags(flags: string): { set: number; clear: number } | undefined {
  let [set, clear] = [0, 0];
  for (const word of flags.split(',')) {
    const not = word.startsWith('!');
    const bit = FLAGS[not ? word.slice(1) : word];
    if (bit === undefined || ((set | clear) & bit) !== 0) return undefined;
    if (not) clear |= bit;
    else set |= bit;
  }
  return { set, clear };
}

const KNOCK = 'a knock such as "tcp/7000", "udp/7000", "icmp" or "icmpv6" is expected';
const knock = text(KNOCK, (value) => parseKnock(value) !== undefined);
const gap = duration(0, MAX_TIMEOUT);
const step = {
  knock,
  flags: v.optional(
    text(
      'TCP flags such as "syn,!ack" (of fin, syn, rst, psh, ack, urg, without blanks, each once) are expected',
      (value) => parseFlags(value) !== undefined,
    ),
  ),
  min_gap: v.optional(gap),
  max_gap: v.optional(gap),
};

const COMMAND = 'a command as a list of its arguments, such as ["/usr/bin/program", "{source}"], is expected';
const command = v.pipe(
  v.array(
    text('an argument without a NUL is expected', (value) => !value.includes('\0')),
    COMMAND,
  ),
  v.minLength(1, COMMAND),
  v.maxLength(256, 'at most 256 arguments are expected'),
);
const path = text('an absolute path is expected', (value) => /^\/[^\0]*$/.test(value));

const door = {
  sequence: v.optional(
    v.pipe(
      v.array(
        // Not a union: its errors would not say what is wrong in which of the two.
        v.lazy((input): v.GenericSchema<unknown, StepTable> =>
          typeof input === 'string' ? knock : v.strictObject(step, KNOCK),
        ),
        'a list of knocks, such as ["tcp/7000", "udp/8000"], is expected',
      ),
      v.minLength(1, 'at least one knock is expected'),
      v.maxLength(MOST_DOOR_STEPS, `at most ${MOST_DOOR_STEPS} knocks are expected`),
    ),
  ),
  one_time: v.optional(path),
  look_ahead: v.optional(whole(1, 32)),
  timeout: v.optional(duration(0.1, MAX_TIMEOUT)),
  min_gap: v.optional(gap),
  max_gap: v.optional(gap),
  misses: v.optional(whole(0, 1_000)),
  any_order: v.optional(v.boolean('true or false (without quotes) is expected')),
  target: v.optional(text('an address is expected', (value) => parseAddress(value) !== undefined)),
  service: v.optional(text('the name of a service is expected', (value) => /^[a-z0-9-]{1,32}$/.test(value))),
  seconds: v.optional(whole(1, 86_400)),
  start: v.optional(command),
  start6: v.optional(v.union([command, v.pipe(v.array(v.string()), v.maxLength(0))], COMMAND)),
  stop: v.optional(command),
  stop6: v.optional(v.union([command, v.pipe(v.array(v.string()), v.maxLength(0))], COMMAND)),
  stop_after: v.optional(duration(0, 86_400)),
  user: v.optional(text('the name of a system user is expected', (value) => /^[a-z_][a-z0-9_-]{0,31}$/.test(value))),
  time_limit: v.optional(duration(0.1, 3_600)),
};

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Schema of [doors]. */
export const doorsSchema: v.GenericSchema<unknown, Readonly<Record<string, DoorTable>>> = v.record(
  text(
    'a door is named by 1 to 64 letters, digits, dots, underscores or hyphens, the first a letter or digit; that is expected',
    (value) => NAME.test(value),
  ),
  v.strictObject(door, 'a table, such as [doors.front], is expected'),
  'tables, such as [doors.front], are expected',
);

/** The keys that may stand in a door, or in a step of its sequence. */
export function doorKeys(ofStep: boolean): readonly string[] {
  return Object.keys(ofStep ? step : door);
}
