/** Port knocks of a recording, through the sentry's matchers and the monitor's checks. */
import { randomBytes } from 'node:crypto';
import { type DeviceId, type UnixMicros } from '@postern/protocol';
import { printable } from '@postern/terminal';
import type { KnockKeys } from '../config/knock-keys.ts';
import type { Configuration } from '../config/model.ts';
import type { DoorFrame, KnockedFrame } from '../line/codec.ts';
import type { Directory } from '../monitor/directory.ts';
import { DoorCommands } from '../monitor/door-commands.ts';
import type { GrantBook } from '../monitor/grants.ts';
import { Knocks, type KnockEvent } from '../monitor/knocks.ts';
import { SlotGuard } from '../monitor/slot-guard.ts';
import { decodePortKnock, isPureSyn, newPortKnock, type PortKnock } from '../sentry/decode-port-knock.ts';
import { PortKnocks } from '../sentry/port-knocks.ts';
import type { CommandRecorder } from './command-recorder.ts';
import { refused, type Judgement, type Outcome } from './judgement.ts';
import type { IpPacket } from './link-layer.ts';
import { KNOCK_REASONS } from './reasons.ts';
import { wouldOpen } from './would-open.ts';

/** What it stands on. */
export interface KnockReplayContext {
  /** Without doors with one-time sequences: a replay uses none up. */
  readonly configuration: Pick<Configuration, 'services' | 'doors'>;
  readonly directory: Directory;
  readonly keys: KnockKeys;
  readonly grants: GrantBook;
  readonly commands: CommandRecorder;
  /** When the packet was seen that is judged now. */
  readonly clock: () => UnixMicros;
}

/** How often sets are computed ahead, in microseconds, and how often then: after a jump in time there are many. */
const TICK = 250_000;
const TICKS = 16;

/** What comes with every further number of a knock that opened. */
const QUIET: readonly string[] = ['past', 'slot-used', 'source-leave'];

/** Judges doors and keyed knocks. Of the ports of this host it knows those of its services. */
export class KnockReplay {
  readonly #context: KnockReplayContext;
  readonly #packets = { 4: newPortKnock(4), 6: newPortKnock(6) };
  readonly #knocks: Knocks;
  readonly #sentry: PortKnocks;
  #ticked = -Infinity;
  #frames: (DoorFrame | KnockedFrame)[] = [];
  #event: KnockEvent | undefined;

  constructor(context: KnockReplayContext) {
    this.#context = context;
    const { configuration, directory, keys, grants, commands, clock } = context;
    this.#sentry = new PortKnocks({
      send: (frame) => {
        if (frame.type === 'door' || frame.type === 'knocked') this.#frames.push(frame);
        return true;
      },
      count: () => undefined,
    });
    this.#knocks = new Knocks({
      ...{ grants, clock },
      random: randomBytes,
      guard: new SlotGuard(
        { store: slotMemory(), anchor: () => 0, setAnchor: () => undefined, uptime: clock },
        clock(),
      ),
      commands: new DoorCommands(commands),
      onEvent: (event) => {
        this.#event = event;
      },
    });
    this.#knocks.connect({
      setKnockPlan: () => undefined,
      sendTables: (frames) => {
        for (const frame of frames) this.#sentry.obey(frame, clock());
        return true;
      },
    });
    this.#knocks.configure(configuration, directory, keys);
  }

  /** Judges one packet: what it finishes, which is mostly nothing. */
  hear({ family, bytes }: IpPacket): Judgement[] {
    const knock = this.#packets[family];
    if (!decodePortKnock(bytes, bytes.length, knock) || !this.#isHeard(knock)) return [];
    this.#tick();
    this.#frames = [];
    this.#sentry.hear(knock, this.#context.clock());
    return this.#frames.flatMap((frame) => {
      this.#event = undefined;
      this.#context.commands.take();
      this.#knocks.take(frame);
      const event = this.#event as KnockEvent | undefined;
      return event === undefined ? [] : (this.#judgement(event) ?? []);
    });
  }

  /** What the kernel's filter looks at, as far as a recording tells. */
  #isHeard({ protocol, port, flags }: PortKnock): boolean {
    const { plan } = this.#knocks;
    if (plan === undefined) return false;
    if (protocol === 'icmp') return plan.echo[4];
    if (protocol === 'icmpv6') return plan.echo[6];
    if (plan.services[protocol].has(port) && !plan.doorPorts[protocol].has(port)) return false;
    return protocol === 'udp' || isPureSyn(flags) || plan.flagPorts.has(port);
  }

  #tick(): void {
    const now = this.#context.clock();
    if (Math.abs(now - this.#ticked) < TICK) return;
    this.#ticked = now;
    for (let tick = 0; tick < TICKS; tick++) this.#knocks.tick();
  }

  #judgement(event: KnockEvent): Judgement | undefined {
    switch (event.kind) {
      case 'door': {
        const { door, grant } = event;
        const outcome: Outcome =
          grant === undefined
            ? { verdict: 'run', commands: this.#context.commands.take() }
            : { verdict: 'open', grants: [wouldOpen(grant)] };
        return { what: `door ${door.name}`, fields: { form: 'door', door: door.name }, outcome };
      }
      case 'keyed': {
        const { member, grant } = event;
        const [user, device] = [member.user.name, printable(member.device.name)];
        const what = `keyed knock, device ${device} of ${user}, ${grant.service ?? ''}`;
        const fields = { form: 'keyed', user, device, service: grant.service };
        return { what, fields, outcome: { verdict: 'open', grants: [wouldOpen(grant)] } };
      }
      case 'refused': {
        const { reason, who } = event;
        if (QUIET.includes(reason)) return undefined;
        return {
          what: `port knock, ${who}`,
          fields: { form: 'knock', who },
          outcome: refused(reason, KNOCK_REASONS[reason]),
        };
      }
      case 'too-many':
      case 'unreadable':
        return undefined;
    }
  }
}

/** The state as it would be if it began with the recording. */
function slotMemory(): ConstructorParameters<typeof SlotGuard>[0]['store'] {
  const slots = new Map<DeviceId, number>();
  return {
    fresh: false,
    knockedSlot: (id) => slots.get(id),
    recordKnock: (id, slot) => {
      slots.set(id, Math.max(slot, slots.get(id) ?? 0));
    },
    lastKnockedSlot: () => 0,
    meta: () => undefined,
    setMeta: () => undefined,
  };
}
