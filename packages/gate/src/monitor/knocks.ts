import {
  accept,
  decide,
  fullPrefix,
  judgeKeyed,
  refuse,
  sameAddress,
  toHex,
  type DeviceId,
  type Random,
  type RequestId,
  type Result,
  type UnixMicros,
} from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import type { KnockKeys } from '../config/knock-keys.ts';
import type { Configuration, Door } from '../config/model.ts';
import type { DoorFrame, KnockedFrame } from '../line/codec.ts';
import { barred, type Directory, type Member } from './directory.ts';
import { DoorRates, DoorTable, type OneTimeSequences } from './door-table.ts';
import { leadFor, type Grant } from './grant.ts';
import type { GrantBook } from './grants.ts';
import type { DoorHolder } from './holder.ts';
import { KeyedSets, MOST_PAIRS, type KeyedPair } from './keyed-sets.ts';
import { knockPlan } from './knock-plan.ts';
import type { KnockPlan } from './knock-sockets.ts';
import { isPossibleOpener } from './possible-opener.ts';
import type { KnockFrame } from './sentry-process.ts';
import type { SlotGuard, SlotRefusal } from './slot-guard.ts';

/** Who finished a sequence. */
export interface Opener {
  readonly family: 4 | 6;
  /** 16 bytes, IPv4 as ::ffff:a.b.c.d. */
  readonly source: Uint8Array;
  /** The address that was knocked at. */
  readonly destination: Uint8Array;
}

/** Runs the commands of doors, in a process of its own; returns at once, and never throws. */
export interface CommandRunner {
  readonly start: (door: Door, opener: Opener) => void;
  /** @throws PersonError for commands that cannot be run */
  readonly check: (door: Door) => void;
}

/** Why an event of port knocking opened nothing. */
export type KnockRefusal =
  | SlotRefusal
  /** Of a table or set that is no more: a race with a reload, or with a device that was revoked. */
  | 'past'
  /** The sentry said what it cannot have seen: a door, target or numbers that do not fit. */
  | 'untrue'
  | 'door-rate'
  /** The one-time sequence is used up, or could not be struck through. */
  | 'one-time'
  | 'device-revoked'
  | 'device-expired'
  /** The set that is bound to the address is not there, and the service does not do without it. */
  | 'source-leave'
  | 'not-permitted'
  | 'record-failed'
  | 'failed';

/** What happened, for the log. */
export type KnockEvent =
  | { readonly kind: 'door'; readonly door: Door; readonly opener: Opener; readonly grant: Grant | undefined }
  | { readonly kind: 'keyed'; readonly member: Member; readonly grant: Grant; readonly bound: boolean }
  | { readonly kind: 'refused'; readonly reason: KnockRefusal; readonly who: string }
  | { readonly kind: 'too-many'; readonly pairs: number }
  /** What was heard before is heard on. */
  | { readonly kind: 'unreadable'; readonly error: PersonError };

/** What port knocking stands on. */
export interface KnockContext {
  readonly grants: GrantBook;
  readonly guard: SlotGuard;
  readonly random: Random;
  readonly clock: () => UnixMicros;
  readonly onEvent: (event: KnockEvent) => void;
  /** A knock opened with this one of the device's keys. */
  readonly onKeyUsed?: (device: DeviceId, key: Uint8Array) => void;
  /** Undefined: doors with commands are refused. */
  readonly commands?: CommandRunner | undefined;
  /** Undefined: doors with one-time sequences are refused. */
  readonly oneTime?: OneTimeSequences | undefined;
}

/** How the sentry that runs is reached. */
export interface KnockLine {
  readonly setKnockPlan: (plan: KnockPlan | undefined) => void;
  readonly sendTables: (frames: readonly KnockFrame[]) => boolean;
}

/** Doors and keyed knocks: what the sentry is told to look for, and what becomes of what it says that it saw. */
export class Knocks {
  readonly #context: KnockContext;
  readonly #rates = new DoorRates();
  readonly #sets = new KeyedSets();
  readonly #refused = new Map<KnockRefusal, number>();
  #table = new DoorTable(0, [], undefined);
  /** Serial of the first table of these doors: later ones differ in one-time sequences alone. */
  #first = 0;
  #configuration: Pick<Configuration, 'doors' | 'services'> = { doors: [], services: [] };
  #directory: Directory | undefined;
  #line: KnockLine | undefined;
  #opened = { doors: 0, keyed: 0 };
  /** Whether the sentry has the table of doors. */
  #told = true;

  constructor(context: KnockContext) {
    this.#context = context;
  }

  /** How often something opened, and how often and why not, since the start. */
  get counters(): { doors: number; keyed: number; refused: Readonly<Partial<Record<KnockRefusal, number>>> } {
    return { ...this.#opened, refused: Object.fromEntries(this.#refused) };
  }

  /** How many devices and services are heard by keyed knocks. */
  get pairs(): number {
    return this.#sets.size;
  }

  /** The sentry is there. */
  connect(line: KnockLine): void {
    this.#line = line;
  }

  /** @throws PersonError when a door needs what is not there; nothing changes then */
  check({ doors }: Pick<Configuration, 'doors'>): void {
    const { commands, oneTime } = this.#context;
    for (const door of doors) {
      const what =
        door.commands !== undefined && commands === undefined
          ? 'commands'
          : door.oneTime !== undefined && oneTime === undefined
            ? 'one-time sequences'
            : undefined;
      if (what !== undefined)
        throw new PersonError(`doors.${door.name}: ${what} are not possible yet`, {
          hint: `remove [doors.${door.name}]`,
        });
      // A file that cannot be read is told now, and not when the table is made.
      oneTime?.of(door);
      commands?.check(door);
    }
  }

  /** Takes a configuration, or another list of devices, into use. */
  configure(configuration: Pick<Configuration, 'doors' | 'services'>, directory: Directory, keys: KnockKeys): void {
    this.#directory = directory;
    const pairs = pairsOf(configuration, directory, keys, this.#context.clock());
    const dropped = this.#sets.configure(pairs);
    if (pairs.length > MOST_PAIRS) this.#context.onEvent({ kind: 'too-many', pairs: pairs.length });
    if (dropped.length > 0) this.#line?.sendTables(dropped);
    const same =
      configuration.doors === this.#configuration.doors && configuration.services === this.#configuration.services;
    this.#configuration = configuration;
    if (!same) this.refreshDoors();
    this.tick();
  }

  /** Makes the table of doors anew: also after a one-time sequence was used. */
  refreshDoors(): void {
    const { doors, services } = this.#configuration;
    const table = new DoorTable((this.#table.serial + 1) & 0xffff, doors, this.#context.oneTime);
    if (doors !== this.#table.doors) this.#first = table.serial;
    this.#table = table;
    this.#line?.setKnockPlan(knockPlan(doors, this.#table.pieces, services));
    this.#told = this.#tell();
  }

  /** False: the sentry reads too slowly, and is told again. A sentry that starts begins with it. */
  #tell(): boolean {
    return this.#line?.sendTables(this.#table.frames()) ?? true;
  }

  /** What is to be heard now; undefined: nothing. */
  get plan(): KnockPlan | undefined {
    const { doors, services } = this.#configuration;
    return knockPlan(doors, this.#table.pieces, services);
  }

  /** The tables that a sentry begins with. */
  tables(): KnockFrame[] {
    return [...this.#table.frames(), ...this.#sets.all(this.#context.clock())];
  }

  /** Some times a second: sets of the next slot, and a look at the clock. */
  tick(): void {
    const now = this.#context.clock();
    this.#context.guard.tick(now);
    if (!this.#told) this.#told = this.#tell();
    this.#sets.tick(now, (frames) => this.#line?.sendTables(frames) ?? false);
  }

  /** Judges one event that came over the line. */
  take(event: DoorFrame | KnockedFrame): void {
    const now = this.#context.clock();
    const opened = event.type === 'door' ? this.#door(event, now) : this.#knocked(event, now);
    if (opened.ok) return;
    const { reason } = opened;
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1);
    const who =
      event.type === 'door'
        ? `door ${this.#table.doors[event.door]?.name ?? '?'}`
        : (this.#sets.pair(event.ordinal)?.device ?? '?');
    this.#context.onEvent({ kind: 'refused', reason, who });
  }

  #door(frame: DoorFrame, now: UnixMicros): Result<void, KnockRefusal> {
    const { serial, doors, pieces } = this.#table;
    const age = (serial - frame.serial) & 0xffff;
    if (age > ((serial - this.#first) & 0xffff)) return refuse('past');
    const door = doors[frame.door];
    const heard = pieces.some((it) => it.door === frame.door && it.sequence === frame.sequence);
    if (age > 0 && !heard) return refuse('past');
    if (door === undefined || !heard || !isPossibleOpener(frame)) return refuse('untrue');
    if (door.target !== undefined && !sameAddress(door.target, frame.destination)) return refuse('untrue');
    if (!this.#rates.take(door.name, now)) return refuse('door-rate');
    if (door.oneTime !== undefined) {
      const used = this.#context.oneTime?.use(door, frame.sequence) ?? false;
      this.#hearNext();
      if (!used) return refuse('one-time');
    }
    const { family, source, destination } = frame;
    const opener = { family, source, destination };
    let grant: Grant | undefined;
    if (door.opens !== undefined) {
      const granted = this.#grantDoor(door, door.opens, opener, now);
      if (!granted.ok) return granted;
      grant = granted.value;
    } else this.#context.commands?.start(door, opener);
    this.#opened.doors++;
    this.#context.onEvent({ kind: 'door', door, opener, grant });
    return accept(undefined);
  }

  /** Who knocked is let in, whatever somebody is writing into a file meanwhile. */
  #hearNext(): void {
    try {
      this.refreshDoors();
    } catch (error) {
      if (!(error instanceof PersonError)) throw error;
      this.#context.onEvent({ kind: 'unreadable', error });
    }
  }

  #grantDoor(
    door: Door,
    opens: NonNullable<Door['opens']>,
    opener: Opener,
    now: UnixMicros,
  ): Result<Grant, KnockRefusal> {
    const { grants, random } = this.#context;
    const service = this.#directory?.service(opens.service);
    if (service === undefined) return refuse('past');
    const source = { family: opener.family, address: opener.source, prefix: fullPrefix(opener.family) };
    const lead = leadFor(service, source);
    if (!lead.ok) return refuse('not-permitted');
    const holder: DoorHolder = `door:${door.name}`;
    const wanted = {
      request: toHex(random(8)) as RequestId,
      device: holder,
      service: service.name,
      source,
      endpoints: service.endpoints,
      seconds: opens.seconds,
      singleUse: service.singleUse,
      target: lead.value,
    };
    // Who knocks again has more time, not one more grant.
    const extended = service.singleUse ? refuse('nothing-to-extend') : grants.extend(wanted, now);
    const granted = extended.ok || extended.reason !== 'nothing-to-extend' ? extended : grants.open(wanted, now);
    return granted.ok ? granted : refuse('failed');
  }

  #knocked(frame: KnockedFrame, now: UnixMicros): Result<void, KnockRefusal> {
    const { grants, guard, random } = this.#context;
    const pair = this.#sets.pair(frame.ordinal);
    const member = pair === undefined ? undefined : this.#directory?.member(pair.device);
    const service = pair === undefined ? undefined : this.#directory?.service(pair.service);
    if (pair === undefined || member === undefined || service?.keyed !== true) return refuse('past');
    const unusable = guard.refusal(pair.device, frame.slot, now);
    if (unusable !== undefined) return refuse(unusable);
    const bar = barred(member, now);
    if (bar !== undefined) return refuse(bar);
    if (!isPossibleOpener(frame)) return refuse('untrue');
    const { numbers, slot, source: address } = frame;
    const verdict = judgeKeyed({ numbers, key: pair.key, slot, service: pair.service, address });
    if (verdict === undefined) return refuse('untrue');
    // Not burned: the numbers that are bound to the address may still be on their way.
    if (verdict === 'observed' && !service.observedSource) return refuse('source-leave');

    const source = { family: frame.family, address, prefix: fullPrefix(frame.family) };
    const { user, device } = member;
    const decision = decide({ claim: { singleUse: false, seconds: 0 }, source, service, user, device, now });
    const lead = leadFor(service, source);
    if (!decision.ok || !lead.ok) return refuse('not-permitted');
    try {
      guard.use(pair.device, slot);
    } catch {
      return refuse('record-failed');
    }
    const granted = grants.open(
      {
        request: toHex(random(8)) as RequestId,
        device: device.id,
        service: service.name,
        source: decision.value.source,
        endpoints: service.endpoints,
        seconds: decision.value.seconds,
        singleUse: decision.value.singleUse,
        target: lead.value,
      },
      now,
    );
    // Only spares the sentry work, so it need not come before the grant.
    this.#line?.sendTables(this.#sets.used(pair.device, slot));
    if (!granted.ok) return refuse('failed');
    this.#opened.keyed++;
    this.#context.onEvent({ kind: 'keyed', member, grant: granted.value, bound: verdict === 'bound' });
    this.#context.onKeyUsed?.(pair.device, pair.key);
    return accept(undefined);
  }
}

/** Every live device with a key, for every keyed service that its user may open. */
function pairsOf(
  { services }: Pick<Configuration, 'services'>,
  directory: Directory,
  keys: KnockKeys,
  now: UnixMicros,
): KeyedPair[] {
  const keyed = services.filter((service) => service.keyed).map(({ name }) => name);
  if (keyed.length === 0) return [];
  const pairs: KeyedPair[] = [];
  for (const [device, all] of keys) {
    const member = directory.member(device);
    if (member === undefined || barred(member, now) !== undefined) continue;
    const services = keyed.filter((service) => member.user.services.includes(service));
    for (const service of services) for (const key of all) pairs.push({ device, service, key });
  }
  return pairs;
}
