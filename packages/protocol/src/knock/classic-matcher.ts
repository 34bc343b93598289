/** Interfaces first; the rest follows. */
import type { UnixMicros } from '../brand.ts';

/** What a knock is sent by. */
export type KnockProtocol = 'tcp' | 'udp' | 'icmp' | 'icmpv6';

/** One step of a sequence. */
export interface DoorStep {
  readonly protocol: KnockProtocol;
  /** Destination port; 0 for an echo request. */
  readonly port: number;
  /** TCP flags that must be set, and that must not be: bits of RFC 9293. Both 0: a pure SYN, as for other protocols nothing. */
  readonly flagsSet: number;
  readonly flagsClear: number;
  /** Shortest and longest time since the step before, in microseconds, both included; of the first step 0 and no limit. */
  readonly minGap: number;
  readonly maxGap: number;
}

/** One sequence of a door; a door with one-time sequences has several at once. */
export interface DoorSequence {
  /** The caller's numbers. Together they name this sequence. */
  readonly door: number;
  readonly sequence: number;
  /** 1 to 32. */
  readonly steps: readonly DoorStep[];
  /** From the first to the last step, in microseconds, included. */
  readonly timeout: number;
  /** How many other knocks in between are forgiven. */
  readonly misses: number;
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

/** A source finished a sequence. */
export interface DoorEvent {
  readonly door: number;
  readonly sequence: number;
}

/** How much a {@link ClassicMatcher} keeps. */
export interface ClassicLimits {
  readonly sources: number;
  readonly progress: number;
}

/** Knocks in, doors out. */
export class ClassicMatcher {
  /** Takes these sequences in place of all others. Progress in those that stay the same is kept. */
  setSequences(_sequences: readonly DoorSequence[]): void {
    throw new Error('to follow');
  }

  /** One knock. */
  knock(_knock: Knock, _now: UnixMicros): readonly DoorEvent[] {
    throw new Error('to follow');
  }
}
