/** Doors as data: sequences of steps, knocks, and which knock is which step. */
import { ADDRESS_SIZE, sameAddress } from '../address.ts';

/** What a knock is sent by; `icmp` and `icmpv6` are echo requests. */
export type KnockProtocol = 'tcp' | 'udp' | 'icmp' | 'icmpv6';

/** One step of a sequence. */
export interface DoorStep {
  readonly protocol: KnockProtocol;
  /** Destination port; 0 for an echo request. */
  readonly port: number;
  /** TCP flags that must be set, and that must not be: bits of RFC 9293, FIN = 1. Both 0: a pure SYN. For other protocols 0. */
  readonly flagsSet: number;
  readonly flagsClear: number;
  /** Shortest and longest time since the step before was taken, in microseconds, both included. Not looked at in the first step. */
  readonly minGap: number;
  readonly maxGap: number;
}

/** One sequence of a door; a door with one-time sequences has several at once. */
export interface DoorSequence {
  /** The caller's numbers. Together they name this sequence. */
  readonly door: number;
  readonly sequence: number;
  /** 1 to {@link MOST_DOOR_STEPS}. */
  readonly steps: readonly DoorStep[];
  /** From the first to the last step, in microseconds, included. */
  readonly timeout: number;
  /** How many knocks in between that are no step are forgiven: 0 to 65,535, or to 255 without order. */
  readonly misses: number;
  /** The steps may come in any order; then gaps are not looked at, and no two steps have the same protocol and port. */
  readonly anyOrder: boolean;
  /** The only address that counts, 16 bytes; undefined: any address of this host. */
  readonly target: Uint8Array | undefined;
}

/** A knock as it was captured. */
export interface Knock {
  /** 16 bytes. */
  readonly source: Uint8Array;
  /** 16 bytes. */
  readonly destination: Uint8Array;
  readonly protocol: KnockProtocol;
  /** Destination port; 0 for an echo request. */
  readonly port: number;
  /** TCP's flags; 0 for other protocols. */
  readonly flags: number;
}

/** The most steps of a sequence. */
export const MOST_DOOR_STEPS = 32;
/** The most misses that a door without order forgives: the time of each is kept. */
export const MOST_MISSES_WITHOUT_ORDER = 255;

const FIN_SYN_RST_ACK = 0x17;
const SYN = 0x02;

/** Whether a knock is a step, its time aside. */
export function fits(step: DoorStep, knock: Knock): boolean {
  return step.port === knock.port && comparable(step, knock);
}

/**
 * Whether a knock is anything to a sequence, a step or a miss: it is at the target, and of a form that one of the steps has, whatever the port. So an
 * echo request is no miss for a door of SYNs, but a SYN to any other port is.
 */
export function sees({ target, steps }: DoorSequence, knock: Knock): boolean {
  if (target !== undefined && !sameAddress(target, knock.destination)) return false;
  return steps.some((step) => comparable(step, knock));
}

/** @throws RangeError if it is no sequence as {@link DoorSequence} says */
export function checkSequence({ steps, timeout, misses, anyOrder, target }: DoorSequence): void {
  if (steps.length < 1 || steps.length > MOST_DOOR_STEPS) throw new RangeError('1 to 32 steps expected');
  if (!(timeout >= 0)) throw new RangeError('a timeout of 0 or more expected');
  const most = anyOrder ? MOST_MISSES_WITHOUT_ORDER : 0xffff;
  if (!Number.isInteger(misses) || misses < 0 || misses > most) throw new RangeError(`0 to ${most} misses expected`);
  if (target !== undefined && target.length !== ADDRESS_SIZE) throw new RangeError('a target of 16 bytes expected');
  for (const { minGap, maxGap } of steps) if (!(minGap <= maxGap)) throw new RangeError('a gap that can be expected');
  const different = new Set(steps.map(({ protocol, port }) => `${protocol}/${port}`));
  if (anyOrder && different.size !== steps.length) throw new RangeError('without order no step may come twice');
}

function comparable(step: DoorStep, knock: Knock): boolean {
  if (step.protocol !== knock.protocol) return false;
  if (knock.protocol !== 'tcp') return true;
  const { flagsSet, flagsClear } = step;
  if ((flagsSet | flagsClear) === 0) return (knock.flags & FIN_SYN_RST_ACK) === SYN;
  return (knock.flags & flagsSet) === flagsSet && (knock.flags & flagsClear) === 0;
}
