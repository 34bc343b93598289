import type { DoorStep, UnixMicros } from '@postern/protocol';
import type { Door } from '../config/model.ts';
import type { DoorsFrame, Piece } from '../line/codec.ts';
import { TokenBucket } from './token-bucket.ts';

/** A sequence of a door, by the number that its events carry. */
export interface NumberedSequence {
  readonly sequence: number;
  readonly steps: readonly DoorStep[];
}

/** The sequences of doors with one-time sequences: what is heard now, and the durable use of one. */
export interface OneTimeSequences {
  /** The sequences of a door that are heard now. @throws PersonError when its file cannot be used */
  readonly of: (door: Door) => readonly NumberedSequence[];
  /**
   * Strikes a sequence through, durably on return, and makes the next one of its file heard. False when it is not heard any more, or could not be
   * struck: then the door does not open.
   */
  readonly use: (door: Door, sequence: number) => boolean;
}

/** How often one door opens, for all sources together: at once, then a second. */
const DOOR_BURST = 32;
const DOOR_PER_SECOND = 2;

/** The doors under one serial, as the sentry knows them. */
export class DoorTable {
  readonly serial: number;
  readonly doors: readonly Door[];
  readonly #pieces: readonly Piece[];

  constructor(serial: number, doors: readonly Door[], oneTime: OneTimeSequences | undefined) {
    this.serial = serial;
    this.doors = doors;
    this.#pieces = doors.flatMap((door, index) => {
      const sequences = door.steps === undefined ? (oneTime?.of(door) ?? []) : [{ sequence: 0, steps: door.steps }];
      return sequences.map((sequence) => pieceOf(door, index, sequence));
    });
  }

  /** The sequences that are heard. */
  get pieces(): readonly Piece[] {
    return this.#pieces;
  }

  /** What a sentry is sent to take this table into use. */
  frames(): DoorsFrame[] {
    const head = { type: 'doors', serial: this.serial, pieces: this.#pieces.length } as const;
    if (this.#pieces.length === 0) return [{ ...head, index: 0, piece: undefined }];
    return this.#pieces.map((piece, index) => ({ ...head, index, piece }));
  }
}

/** The rates of doors, by name, which a reload does not forgive. */
export class DoorRates {
  readonly #buckets = new Map<string, TokenBucket>();

  /** Whether the door may open once more. */
  take(door: string, now: UnixMicros): boolean {
    let bucket = this.#buckets.get(door);
    if (bucket === undefined) this.#buckets.set(door, (bucket = new TokenBucket(DOOR_PER_SECOND, DOOR_BURST, now)));
    return bucket.take(now);
  }
}

function pieceOf(door: Door, index: number, { sequence, steps }: NumberedSequence): Piece {
  const { anyOrder, misses, timeout, target } = door;
  return {
    door: index,
    sequence,
    anyOrder,
    misses,
    timeout: milliseconds(timeout),
    target,
    steps: steps.map((step) => ({ ...step, minGap: milliseconds(step.minGap), maxGap: milliseconds(step.maxGap) })),
  };
}

function milliseconds(micros: number): number {
  return Math.round(micros / 1000);
}
