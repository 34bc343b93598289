/** The sentry's look at port knocks: matchers, and the tables for them that the monitor sends. Pure: no I/O, no clock. */
import {
  ADDRESS_SIZE,
  ClassicMatcher,
  KEYED_LIMITS,
  KeyedMatcher,
  slotOf,
  writeBlock,
  writeU16,
  type ClassicLimits,
  type DoorSequence,
  type KeyedLimits,
  type UnixMicros,
} from '@postern/protocol';
import type { DoorsFrame, DropFrame, Piece, SentryFrame, SetsFrame } from '../line/codec.ts';
import type { KNOCK_COUNTERS } from '../line/frame.ts';
import { Budget, type Rate } from './budget.ts';
import { isPossibleSource } from './decode-packet.ts';
import { isPureSyn, type PortKnock } from './decode-port-knock.ts';

/** Memory of sequences that were begun: at most 4 MB, nearly all beside V8's heap; with doors without order 14 MB, of the heap's 64. */
const DOOR_LIMITS: ClassicLimits = { sources: 16_384, attempts: 32_768, attemptsOfSource: 128 };

/** Memory of numbers and sets: at most 18 MB of the heap, for sets, and 16 MB beside it. 4,096 devices and services in four slots. */
const SET_LIMITS: KeyedLimits = { ...KEYED_LIMITS, sources: 16_384, sets: 16_384 };

/** Events of doors, all together: as many as the line takes. */
const EVENTS: Rate = { burst: 100, rate: 20 };
/** Those of one door by one IPv4 address or IPv6 /56: who finishes a sequence again and again uses up no door, and closes no other to whom he claims to be. */
const EVENTS_OF_SOURCE: Rate = { burst: 8, rate: 0.5 };
const SOURCE_BITS = { 4: 32, 6: 56 } as const;

/** A set of a slot so much older than the newest one says that the clock went back. */
const BACK = 3;

/** What the matchers' events and counts are given to. */
export interface KnockSink {
  /** False: the line is full, and the event is lost. */
  readonly send: (frame: SentryFrame) => boolean;
  readonly count: (what: (typeof KNOCK_COUNTERS)[number]) => void;
}

/** What comes from the packet sockets for port knocks goes in, frames come out. */
export class PortKnocks {
  readonly #sink: KnockSink;
  /** Made when there is something for them to match: they hold memory. */
  #classic: ClassicMatcher | undefined;
  #keyed: KeyedMatcher | undefined;
  /** A source and a door (u16). */
  readonly #key = new Uint8Array(ADDRESS_SIZE + 2);
  readonly #events = new Budget(EVENTS, EVENTS_OF_SOURCE, this.#key.length);
  #serial = 0;
  #pieces: Piece[] = [];
  #newest = 0;
  /** Slots of which there are sets. */
  #slots = new Set<number>();

  constructor(sink: KnockSink) {
    this.#sink = sink;
  }

  /** Takes a table, or a part of one, that the monitor sent. */
  obey(frame: DoorsFrame | SetsFrame | DropFrame, now: UnixMicros): void {
    switch (frame.type) {
      case 'doors':
        this.#takePiece(frame);
        return;
      case 'sets':
        this.#takeSets(frame, now);
        return;
      case 'drop':
        for (const slot of this.#slots) if (slot <= frame.slot) this.#keyed?.removeSet(frame.ordinal, slot);
    }
  }

  /** Looks at one packet; `knock` is not kept. Undefined: it had not the form of a knock. */
  hear(knock: PortKnock | undefined, now: UnixMicros): void {
    if (knock === undefined || !isPossibleSource(knock.source, knock.family)) {
      this.#sink.count('strange');
      return;
    }
    this.#sink.count('knocks');
    const { family } = knock;
    for (const { door, sequence } of this.#classic?.knock(knock, now) ?? []) {
      writeBlock(knock.source, SOURCE_BITS[family], this.#key);
      writeU16(this.#key, ADDRESS_SIZE, door);
      if (!this.#events.take(this.#key, now)) {
        this.#sink.count('busy');
        continue;
      }
      const [source, destination] = [knock.source.slice(), knock.destination.slice()];
      const sent = this.#sink.send({ type: 'door', family, door, sequence, serial: this.#serial, source, destination });
      this.#sink.count(sent ? 'doors' : 'busy');
    }
    if (knock.number < 0 || (knock.protocol === 'tcp' && !isPureSyn(knock.flags))) return;
    for (const { ordinal, slot, numbers } of this.#keyed?.knock(knock.source, knock.number, now) ?? []) {
      const sent = this.#sink.send({ type: 'knocked', family, ordinal, slot, source: knock.source.slice(), numbers });
      this.#sink.count(sent ? 'keyed' : 'busy');
    }
  }

  /** A table is taken when it is whole. */
  #takePiece({ serial, index, pieces, piece }: DoorsFrame): void {
    if (index === 0) this.#pieces = [];
    if (piece !== undefined) this.#pieces.push(piece);
    if (this.#pieces.length !== pieces) return;
    this.#serial = serial;
    if (pieces > 0) this.#classic ??= new ClassicMatcher(DOOR_LIMITS);
    this.#classic?.setSequences(this.#pieces.map(sequenceOf));
    this.#pieces = [];
  }

  #takeSets({ slot, sets }: SetsFrame, now: UnixMicros): void {
    this.#keyed ??= new KeyedMatcher(SET_LIMITS);
    if (slot < this.#newest - BACK) {
      this.#keyed.clearSets();
      this.#slots.clear();
      this.#newest = slot;
    }
    this.#newest = Math.max(this.#newest, slot);
    const first = slotOf(now) - 1;
    const over = [...this.#slots].filter((old) => old < first);
    if (over.length > 0) this.#keyed.removeBefore(first);
    for (const old of over) this.#slots.delete(old);
    this.#slots.add(slot);
    for (const { ordinal, numbers } of sets) this.#keyed.addSet(ordinal, slot, numbers);
  }
}

/** The line counts milliseconds, the matchers microseconds. */
function sequenceOf({ timeout, steps, ...piece }: Piece): DoorSequence {
  return {
    ...piece,
    timeout: timeout * 1000,
    steps: steps.map((step) => ({ ...step, minGap: step.minGap * 1000, maxGap: step.maxGap * 1000 })),
  };
}
