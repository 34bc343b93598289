/** How hard doors and keyed services are to open for who was not told how. Pure. */
import {
  KEYED_GUESSING,
  keyedWork,
  observerWork,
  rateDoor,
  type DoorAdvice,
  type DoorRating,
  type DoorSequence,
  type DoorStep,
  type Guessing,
  type Scan,
} from '@postern/protocol';
import type { Door } from '../../config/model.ts';
import { isLive } from '../check-configuration.ts';
import type { Finding } from '../finding.ts';
import { withConfig } from '../options.ts';
import { count } from '../wording.ts';
import type { Subject } from './examiner.ts';

/** A door as it is rated. */
export interface RatedDoor {
  readonly name: string;
  /** One of its sequences: the weakest. */
  readonly sequence: DoorSequence;
  readonly oneTime: boolean;
  /** How many sequences open it at a time. */
  readonly alternatives: number;
}

/** For people: `63`, `65,535`, `1.4·10^14`. */
export function showNumber(value: number): string {
  if (value < 1_000_000) return Math.round(value).toLocaleString('en');
  const [mantissa = '', exponent = ''] = value.toExponential(1).split('e+');
  return `${mantissa}·10^${exponent}`;
}

function ways({ ascending, descending }: DoorRating['ours']): string | undefined {
  const one = (name: string, scan: Scan | undefined): string[] =>
    scan === undefined ? [] : [`${name} opens it with at most ${showNumber(scan.atMost)} packets`];
  const all = [
    ...one('an ascending scan', ascending),
    ...one(ascending === undefined ? 'a descending scan' : 'a descending one', descending),
  ];
  return all.length === 0 ? undefined : all.join(', ');
}

function scans({ ours, knockd }: DoorRating): string {
  const [here, there] = [ways(ours), ways(knockd)];
  if (here !== undefined) return here;
  return there === undefined ? 'a scan opens nothing' : `a scan opens nothing (under knockd's rules ${there})`;
}

/** What to do, for a door of the configuration. */
const ADVICE: Readonly<Record<DoorAdvice, string>> = {
  'more-steps': 'give `sequence` one step more',
  'fewer-misses': 'lower `misses`, or put the ports of `sequence` in no rising or falling order',
  'mixed-order': 'put the ports of `sequence` in no rising or falling order',
  keyed: 'let it go for a service with `keyed = true`: its knocks cannot be repeated, and stand noise',
};

/** For programs; null: a scan does not open it, or a recording opens nothing. */
function figures(name: string, rating: DoorRating): Readonly<Record<string, unknown>> {
  const of = ({ ascending, descending }: DoorRating['ours']): unknown => ({
    ascending: ascending ?? null,
    descending: descending ?? null,
  });
  const { guesses, ours, knockd, watched = null, cancelledBy, advice } = rating;
  return { door: name, guesses, scans: { here: of(ours), knockd: of(knockd) }, watched, cancelledBy, advice };
}

/** What the door is. One-time sequences are secrets. */
function shown({ name, sequence, oneTime }: RatedDoor): string {
  const steps = sequence.steps.map(({ protocol, port }) => (port === 0 ? protocol : `${protocol}/${port}`));
  return `door ${name} (${oneTime ? 'one-time sequences' : steps.join(sequence.anyOrder ? ' + ' : ', ')})`;
}

function told(door: RatedDoor, { guesses, watched }: DoorRating, scanned: string): string {
  const watching =
    watched === undefined ? 'who watched once has nothing' : `who watched once needs ${count(watched, 'packet')}`;
  return `${shown(door)}: ${showNumber(guesses)} guesses on average if every wrong port resets; ${scanned}; ${watching}`;
}

const repeating = (oneTime: boolean): string =>
  oneTime ? 'nobody can repeat what he saw, but' : 'whoever sees a knock can repeat it, and';

/** Rates one door of this gate. */
export function rateOwnDoor(door: RatedDoor): Finding {
  const rating = rateDoor(door.sequence, door.oneTime, door.alternatives);
  const weak = rating.advice.includes('more-steps') || rating.advice.includes('fewer-misses');
  const advice = rating.advice.filter((one) => one !== 'mixed-order');
  return {
    severity: weak ? 'warning' : 'note',
    code: weak ? 'door-weak' : 'door-rating',
    what: told(door, rating, scans(rating)),
    why: `${repeating(door.oneTime)} ${count(rating.cancelledBy, 'packet')} with the knocker's address to other ports, while he knocks, ${rating.cancelledBy === 1 ? 'cancels' : 'cancel'} it`,
    mend: advice.length === 0 ? undefined : advice.map((one) => ADVICE[one]).join('; '),
    figures: figures(door.name, rating),
  };
}

/** Rates a door that knockd runs. */
export function rateKnockdDoor({ file, ...door }: RatedDoor & { readonly file: string }): Finding {
  const rating = rateDoor(door.sequence, door.oneTime, door.alternatives);
  const there = ways(rating.knockd);
  const here = ways(rating.ours) === undefined ? ' (as a door of posternd: nothing)' : '';
  const weak = there !== undefined || rating.advice.includes('more-steps');
  const mend = [
    ...(rating.advice.includes('more-steps') ? ['give it one step more'] : []),
    ...(there === undefined ? [] : ['put its ports in no rising or falling order']),
    `let posternd run it, which sees every port: posternd run --knockd ${file}`,
  ];
  return {
    severity: weak ? 'warning' : 'note',
    code: 'knockd-door',
    what: told(door, rating, there === undefined ? 'a scan opens nothing' : there + here),
    why: `${repeating(door.oneTime)} 1 packet with the knocker's address to another port of any door cancels it; so may a stranger's mistake, with his own address`,
    mend: mend.join('; or '),
    figures: figures(door.name, rating),
  };
}

function rated({ facts }: Subject, door: Door): RatedDoor | undefined {
  const { name, timeout, minGap, maxGap, misses, anyOrder, target } = door;
  const sequence = (steps: readonly DoorStep[]): DoorSequence => ({
    ...{ door: 0, sequence: 0, steps, timeout, misses, anyOrder, target },
  });
  if (door.steps !== undefined) return { name, sequence: sequence(door.steps), oneTime: false, alternatives: 1 };
  const heard = facts.oneTime.get(door.oneTime?.file ?? '')?.slice(0, door.oneTime?.lookAhead) ?? [];
  const shortest = heard.toSorted((a, b) => a.knocks.length - b.knocks.length)[0];
  if (shortest === undefined) return undefined;
  const steps = shortest.knocks.map((knock) => ({ ...knock, flagsSet: 0, flagsClear: 0, minGap, maxGap }));
  return { name, sequence: sequence(steps), oneTime: true, alternatives: heard.length };
}

/** Every door, in packets that an attacker needs. */
export function doors(subject: Subject): Finding[] {
  return subject.configuration.doors.flatMap((door) => {
    const one = rated(subject, door);
    return one === undefined ? [] : [rateOwnDoor(one)];
  });
}

/** What it takes to open some keyed service, with as many devices as there are. */
export function keyedServices({ configuration, now }: Subject, guessing: Guessing = KEYED_GUESSING): Finding[] {
  const keyed = configuration.services.filter((service) => service.keyed);
  if (keyed.length === 0) return [];
  const pairs = configuration.users
    .filter((user) => isLive(user, now))
    .reduce(
      (sum, { services, devices }) =>
        sum +
        keyed.filter(({ name }) => services.includes(name)).length *
          devices.filter((device) => isLive(device, now)).length,
      0,
    );
  if (pairs === 0) return [];
  const { packets, enough } = keyedWork(pairs, 1, guessing);
  const { oneMissing, otherAddress } = observerWork();
  const observed = keyed.filter(({ observedSource }) => observedSource).map(({ name }) => name);
  const names = keyed.map(({ name }) => name).join(', ');
  return [
    {
      severity: enough ? 'note' : 'error',
      code: 'keyed-work',
      what: `keyed knocking (${names}, ${count(pairs, 'pair')} of a device and a service): ${showNumber(packets)} packets until one opening is to be expected by who has seen nothing${enough ? '' : ', which is below 10^15'}; a scan and a recording open nothing`,
      why:
        observed.length === 0
          ? `who sees a knock while it happens and is faster needs ${showNumber(otherAddress)} packets within 90 seconds, as it is bound to the device's address`
          : `${observed.join(', ')} may be opened for an observed source: who sees a knock while it happens and is faster uses it for his own address, and who saw one number too few needs ${showNumber(oneMissing)} packets`,
      mend: enough
        ? observed.length === 0
          ? undefined
          : `remove \`observed_source\` of ${observed.join(', ')} in ${configuration.file}, if no device is behind a translated address`
        : `revoke devices that are not used: posternd device list${withConfig(configuration.file)}`,
      figures: { services: keyed.map(({ name }) => name), pairs, packets, enough, oneMissing, otherAddress },
    },
  ];
}
