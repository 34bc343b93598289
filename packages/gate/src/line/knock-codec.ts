/** The frames of port knocking that the monitor sends: doors and keyed sets. Total and canonical, as `codec.ts`. */
import { readU16, readU32, readU64, writeU16, writeU32, writeU64 } from '@postern/protocol';
import { put, zero } from './field.ts';
import {
  DOORS_FLAG,
  DOORS_FRAME,
  DROP_FRAME,
  FRAME,
  FROM_MONITOR,
  MOST_SETS,
  MOST_STEPS,
  SET_NUMBERS,
  SETS_FRAME,
  STEP,
  STEP_PROTOCOLS,
} from './frame.ts';

/** One step of a sequence. */
export interface Step {
  readonly protocol: (typeof STEP_PROTOCOLS)[number];
  /** 0 for an echo request. */
  readonly port: number;
  /** TCP flags that must be set, and that must not be: bits of RFC 9293, 0 for other protocols. Neither: a pure SYN. */
  readonly flagsSet: number;
  readonly flagsClear: number;
  /** Shortest and longest time since the step before, in milliseconds. */
  readonly minGap: number;
  readonly maxGap: number;
}

/** One sequence of one door. */
export interface Piece {
  readonly door: number;
  readonly sequence: number;
  readonly anyOrder: boolean;
  /** How many other ports it forgives. */
  readonly misses: number;
  /** From the first to the last step, in milliseconds. */
  readonly timeout: number;
  /** The only address that counts: 16 bytes. */
  readonly target: Uint8Array | undefined;
  /** 1 to 32. */
  readonly steps: readonly Step[];
}

/** One piece of a table of doors; see `frame.ts` for how pieces make a table. */
export interface DoorsFrame {
  readonly type: 'doors';
  /** u16, another one for each table. */
  readonly serial: number;
  readonly index: number;
  readonly pieces: number;
  /** Undefined in a table of none. */
  readonly piece: Piece | undefined;
}

/** One keyed set. */
export interface KeyedNumbers {
  /** Names a device and a service, in every slot the same ones, and never others. */
  readonly ordinal: number;
  /** 20 numbers, ascending. */
  readonly numbers: Uint16Array;
}

/** Keyed sets of one slot. */
export interface SetsFrame {
  readonly type: 'sets';
  readonly slot: number;
  /** 1 to 11. */
  readonly sets: readonly KeyedNumbers[];
}

/** The sets of an ordinal are used or void. */
export interface DropFrame {
  readonly type: 'drop';
  readonly ordinal: number;
  /** Those of this slot and all before. */
  readonly slot: number;
}

/** The six flags of RFC 793: FIN, SYN, RST, PSH, ACK, URG. */
const ALL_FLAGS = 0x3f;

/** @throws RangeError when the frame cannot be encoded */
export function encodeDoors({ serial, index, pieces, piece }: DoorsFrame, into: Uint8Array, view: DataView): void {
  into[DOORS_FRAME.type] = FROM_MONITOR.doors;
  view.setUint16(DOORS_FRAME.serial, serial);
  view.setUint16(DOORS_FRAME.piece, index);
  view.setUint16(DOORS_FRAME.pieces, pieces);
  if (piece === undefined) return;
  if (piece.steps.length > MOST_STEPS) throw new RangeError(`at most ${MOST_STEPS} steps fit a frame`);
  into[DOORS_FRAME.flags] =
    (piece.anyOrder ? DOORS_FLAG.anyOrder : 0) | (piece.target === undefined ? 0 : DOORS_FLAG.target);
  view.setUint16(DOORS_FRAME.door, piece.door);
  view.setUint16(DOORS_FRAME.sequence, piece.sequence);
  view.setUint16(DOORS_FRAME.misses, piece.misses);
  into[DOORS_FRAME.count] = piece.steps.length;
  view.setUint32(DOORS_FRAME.timeout, piece.timeout);
  if (piece.target !== undefined) put(into, DOORS_FRAME.target, piece.target, 16);
  piece.steps.forEach((step, at) => {
    const offset = DOORS_FRAME.steps + STEP.size * at;
    into[offset + STEP.protocol] = STEP_PROTOCOLS.indexOf(step.protocol);
    into[offset + STEP.set] = step.flagsSet;
    into[offset + STEP.clear] = step.flagsClear;
    writeU16(into, offset + STEP.port, step.port);
    writeU32(into, offset + STEP.minGap, step.minGap);
    writeU32(into, offset + STEP.maxGap, step.maxGap);
  });
}

/** Undefined when no monitor of ours sends that. */
export function decodeDoors(frame: Uint8Array, view: DataView): DoorsFrame | undefined {
  const flags = frame[DOORS_FRAME.flags] ?? 0;
  const index = view.getUint16(DOORS_FRAME.piece);
  const pieces = view.getUint16(DOORS_FRAME.pieces);
  const head = { type: 'doors', serial: view.getUint16(DOORS_FRAME.serial), index, pieces } as const;
  if (pieces === 0) {
    const empty = flags === 0 && index === 0 && zero(frame, DOORS_FRAME.door, FRAME);
    return empty ? { ...head, piece: undefined } : undefined;
  }
  const count = frame[DOORS_FRAME.count] ?? 0;
  const hasTarget = (flags & DOORS_FLAG.target) !== 0;
  if (index >= pieces || count === 0 || count > MOST_STEPS || flags > 3) return undefined;
  if (!hasTarget && !zero(frame, DOORS_FRAME.target, DOORS_FRAME.target + 16)) return undefined;
  if (!zero(frame, DOORS_FRAME.count + 1, DOORS_FRAME.timeout)) return undefined;
  if (!zero(frame, DOORS_FRAME.target + 16, DOORS_FRAME.steps)) return undefined;
  if (!zero(frame, DOORS_FRAME.steps + STEP.size * count, FRAME)) return undefined;
  const steps: Step[] = [];
  for (let at = 0; at < count; at++) {
    const step = decodeStep(frame, DOORS_FRAME.steps + STEP.size * at);
    if (step === undefined) return undefined;
    steps.push(step);
  }
  const piece: Piece = {
    door: view.getUint16(DOORS_FRAME.door),
    sequence: view.getUint16(DOORS_FRAME.sequence),
    anyOrder: (flags & DOORS_FLAG.anyOrder) !== 0,
    misses: view.getUint16(DOORS_FRAME.misses),
    timeout: view.getUint32(DOORS_FRAME.timeout),
    target: hasTarget ? frame.slice(DOORS_FRAME.target, DOORS_FRAME.target + 16) : undefined,
    steps,
  };
  return { ...head, piece };
}

function decodeStep(frame: Uint8Array, at: number): Step | undefined {
  const protocol = STEP_PROTOCOLS[frame[at + STEP.protocol] ?? 255];
  const step = {
    port: readU16(frame, at + STEP.port),
    flagsSet: frame[at + STEP.set] ?? 0,
    flagsClear: frame[at + STEP.clear] ?? 0,
    minGap: readU32(frame, at + STEP.minGap),
    maxGap: readU32(frame, at + STEP.maxGap),
  };
  const flags = step.flagsSet | step.flagsClear;
  if (protocol === undefined || frame[at + STEP.clear + 1] !== 0 || step.minGap > step.maxGap) return undefined;
  if ((protocol === 'icmp' || protocol === 'icmpv6') !== (step.port === 0)) return undefined;
  if ((step.flagsSet & step.flagsClear) !== 0 || flags > (protocol === 'tcp' ? ALL_FLAGS : 0)) return undefined;
  return { protocol, ...step };
}

/** @throws RangeError when the frame cannot be encoded */
export function encodeSets({ slot, sets }: SetsFrame, into: Uint8Array, view: DataView): void {
  if (sets.length > MOST_SETS) throw new RangeError(`at most ${MOST_SETS} sets fit a frame`);
  into[SETS_FRAME.type] = FROM_MONITOR.sets;
  into[SETS_FRAME.count] = sets.length;
  writeU64(into, SETS_FRAME.slot, slot);
  sets.forEach(({ ordinal, numbers }, at) => {
    if (numbers.length !== SET_NUMBERS) throw new RangeError(`a set has ${SET_NUMBERS} numbers`);
    const offset = SETS_FRAME.sets + SETS_FRAME.setSize * at;
    view.setUint32(offset, ordinal);
    numbers.forEach((number, index) => {
      view.setUint16(offset + 4 + 2 * index, number);
    });
  });
}

/** Undefined when no monitor of ours sends that. */
export function decodeSets(frame: Uint8Array, view: DataView): SetsFrame | undefined {
  const count = frame[SETS_FRAME.count] ?? 0;
  const slot = readU64(frame, SETS_FRAME.slot);
  if (count === 0 || count > MOST_SETS || slot === undefined) return undefined;
  if (!zero(frame, SETS_FRAME.count + 1, SETS_FRAME.slot)) return undefined;
  if (!zero(frame, SETS_FRAME.sets + SETS_FRAME.setSize * count, FRAME)) return undefined;
  const sets: KeyedNumbers[] = [];
  for (let at = 0; at < count; at++) {
    const offset = SETS_FRAME.sets + SETS_FRAME.setSize * at;
    const numbers = new Uint16Array(SET_NUMBERS);
    for (let index = 0; index < SET_NUMBERS; index++) {
      const number = view.getUint16(offset + 4 + 2 * index);
      if (index > 0 && number <= (numbers[index - 1] ?? 0)) return undefined;
      numbers[index] = number;
    }
    sets.push({ ordinal: view.getUint32(offset), numbers });
  }
  return { type: 'sets', slot, sets };
}

/** Writes the fields of a frame. */
export function encodeDrop({ ordinal, slot }: DropFrame, into: Uint8Array, view: DataView): void {
  into[DROP_FRAME.type] = FROM_MONITOR.drop;
  view.setUint32(DROP_FRAME.ordinal, ordinal);
  writeU64(into, DROP_FRAME.slot, slot);
}

/** Undefined when no monitor of ours sends that. */
export function decodeDrop(frame: Uint8Array, view: DataView): DropFrame | undefined {
  const slot = readU64(frame, DROP_FRAME.slot);
  if (slot === undefined || !zero(frame, DROP_FRAME.type + 1, DROP_FRAME.ordinal)) return undefined;
  if (!zero(frame, DROP_FRAME.end, FRAME)) return undefined;
  return { type: 'drop', ordinal: view.getUint32(DROP_FRAME.ordinal), slot };
}
