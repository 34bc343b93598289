/**
 * Encodes and decodes the frames of `frame.ts`. Decoders are total: any 512 bytes give a frame or undefined, and only what an
 * encoder here makes is a frame (reserved bytes are zero, numbers are in range). Decoded fields are copies.
 */
import {
  readU16,
  readU64,
  RECEIPT_STATUSES,
  type ReceiptStatus,
  type Suite,
  type UnixMicros,
  writeU64,
} from '@postern/protocol';
import {
  decodeDoors,
  decodeDrop,
  decodeSets,
  encodeDoors,
  encodeDrop,
  encodeSets,
  type DoorsFrame,
  type DropFrame,
  type SetsFrame,
} from './knock-codec.ts';
import {
  decodeCredential,
  decodeFwknop,
  decodeTally,
  encodeCredential,
  encodeFwknop,
  encodeTally,
  type CredentialFrame,
  type FwknopFrame,
  type TallyFrame,
} from './fwknop-codec.ts';
import {
  DOOR_FRAME,
  FRAME,
  FROM_MONITOR,
  FROM_SENTRY,
  KEYS_FRAME,
  KNOCK_COUNTERS,
  KNOCKED_FRAME,
  MOST_NUMBERS,
  READY_FRAME,
  REPORT_FRAME,
  REQUEST_FRAME,
  SETUP_FLAG,
  SETUP_FRAME,
  SETUP_MORE,
  VERDICT_FRAME,
} from './frame.ts';
import { isMapped, put, zero } from './field.ts';

/** The most counters that fit a report. */
export const MOST_COUNTERS: number = Math.floor((FRAME - REPORT_FRAME.counters) / 4);

/** The sentry is sandboxed and serves. */
export interface ReadyFrame {
  readonly type: 'ready';
}

/** One unsealed, not yet verified request. */
export interface RequestFrame {
  readonly type: 'request';
  readonly suite: Suite;
  /** Which gate key it used: 0 the current, 1 the next. */
  readonly gateKey: 0 | 1;
  /** Serial of the gate keys that `gateKey` counts in: {@link KeysFrame.serial}. */
  readonly serial: number;
  /** Family of the observed source. */
  readonly family: 4 | 6;
  /** u32, echoed in the verdict. */
  readonly id: number;
  /** Observed source, 16 bytes, IPv4 as ::ffff:a.b.c.d. */
  readonly address: Uint8Array;
  /** Observed source port. */
  readonly port: number;
  /** 8 bytes. */
  readonly nonce: Uint8Array;
  /** SHA-256 of the encapsulated key, 32 bytes. */
  readonly encHash: Uint8Array;
  /** Statement and signature, 183 bytes. */
  readonly plaintext: Uint8Array;
  /** Of an enrol request: the key of the new device's keyed knocks, 32 bytes. */
  readonly knockKey: Uint8Array | undefined;
}

/** Counters since the sentry's start; u32 that wrap. */
export interface ReportFrame {
  readonly type: 'report';
  /** Refusals by index in REFUSALS. */
  readonly counters: Uint32Array;
  /** Port knocks by index in KNOCK_COUNTERS. */
  readonly knocks: Uint32Array;
}

/** A source finished a sequence of a door. */
export interface DoorFrame {
  readonly type: 'door';
  readonly family: 4 | 6;
  /** Index of the door in the table of this serial. */
  readonly door: number;
  /** Which of the door's sequences it was. */
  readonly sequence: number;
  /** Serial of the table: {@link DoorsFrame.serial}. */
  readonly serial: number;
  /** 16 bytes, IPv4 as ::ffff:a.b.c.d. */
  readonly source: Uint8Array;
  /** The address that was knocked at, of the same family. */
  readonly destination: Uint8Array;
}

/** A source's last distinct numbers hold enough of the keyed set of an ordinal. */
export interface KnockedFrame {
  readonly type: 'knocked';
  readonly family: 4 | 6;
  readonly ordinal: number;
  readonly slot: number;
  /** 16 bytes, IPv4 as ::ffff:a.b.c.d. */
  readonly source: Uint8Array;
  /** 1 to 150 distinct numbers, the oldest first. */
  readonly numbers: Uint16Array;
}

/** What the sentry may send. */
export type SentryFrame = ReadyFrame | RequestFrame | ReportFrame | DoorFrame | KnockedFrame | FwknopFrame | TallyFrame;

/** Which descriptors the sentry has, and the gate's private keys. */
export interface SetupFrame {
  readonly type: 'setup';
  readonly packet4: boolean;
  readonly packet6: boolean;
  readonly udp4: boolean;
  readonly udp6: boolean;
  /** Knocks are read from the udp sockets ("dgram" capture). */
  readonly receiveUdp: boolean;
  /** Port knocks are read from packet sockets of their own. */
  readonly knock4: boolean;
  readonly knock6: boolean;
  /** Packets of fwknop's format are read from packet sockets of their own. */
  readonly fwknop4: boolean;
  readonly fwknop6: boolean;
  /** There is a line to the GPG helper. */
  readonly gpg: boolean;
  /** Suite 1 is refused. */
  readonly pqRequired: boolean;
  /** Knock port. */
  readonly port: number;
  /** X25519 private key, 32 bytes. */
  readonly x25519: Uint8Array;
  /** X-Wing seed, 32 bytes. */
  readonly xwing: Uint8Array;
}

/** The live gate keys. */
export interface KeysFrame {
  readonly type: 'keys';
  /** u8, another one each time: a request that was made under other keys can be told from one under these. */
  readonly serial: number;
  /** 32 bytes. */
  readonly current: Uint8Array;
  /** 32 bytes; undefined when none is being rotated in. */
  readonly next: Uint8Array | undefined;
}

/** One receipt to be sealed and sent. */
export interface VerdictFrame {
  readonly type: 'verdict';
  readonly status: ReceiptStatus;
  /** The request's. */
  readonly id: number;
  /** End of the grant, 0 if there is none. */
  readonly end: UnixMicros;
  /** The gate's time. */
  readonly now: UnixMicros;
  /** u32. */
  readonly era: number;
  /** 8 bytes. */
  readonly stateId: Uint8Array;
  /** 32 bytes, or undefined. */
  readonly nextKey: Uint8Array | undefined;
}

/** What the monitor may send. */
export type MonitorFrame = SetupFrame | KeysFrame | VerdictFrame | DoorsFrame | SetsFrame | DropFrame | CredentialFrame;

export type { CredentialFrame, FwknopFrame, TallyFrame } from './fwknop-codec.ts';
export type { DoorsFrame, DropFrame, KeyedNumbers, Piece, SetsFrame } from './knock-codec.ts';

const PLAINTEXT_SIZE = REQUEST_FRAME.zero - REQUEST_FRAME.plaintext;
const SETUP_END = SETUP_FRAME.more + 1;
const KEYS_END = KEYS_FRAME.next + 32;
const VERDICT_END = VERDICT_FRAME.nextKey + 32;
const SETUP_FLAGS = [
  ...(['packet4', 'packet6', 'udp4', 'udp6'] as const),
  ...(['receiveUdp', 'knock4', 'knock6', 'pqRequired'] as const),
];
const SETUP_MORE_FLAGS = ['fwknop4', 'fwknop6', 'gpg'] as const;

/**
 * Writes a sentry's frame into `into` (512 bytes, overwritten wholly) and returns it.
 * @throws RangeError when a field has the wrong size.
 */
export function encodeSentryFrame(frame: SentryFrame, into: Uint8Array = new Uint8Array(FRAME)): Uint8Array {
  const view = start(into);
  switch (frame.type) {
    case 'ready':
      into[READY_FRAME.type] = FROM_SENTRY.ready;
      return into;
    case 'report':
      if (frame.counters.length > MOST_COUNTERS) throw new RangeError(`at most ${MOST_COUNTERS} counters fit a report`);
      if (frame.knocks.length !== KNOCK_COUNTERS.length) throw new RangeError('a report has all counters of knocks');
      into[REPORT_FRAME.type] = FROM_SENTRY.report;
      frame.knocks.forEach((counter, index) => {
        view.setUint32(REPORT_FRAME.knocks + 4 * index, counter);
      });
      view.setUint32(REPORT_FRAME.count, frame.counters.length);
      frame.counters.forEach((counter, index) => {
        view.setUint32(REPORT_FRAME.counters + 4 * index, counter);
      });
      return into;
    case 'request':
      into[REQUEST_FRAME.type] = FROM_SENTRY.request;
      into[REQUEST_FRAME.suite] = frame.suite;
      into[REQUEST_FRAME.gateKey] = frame.gateKey;
      into[REQUEST_FRAME.family] = frame.family;
      view.setUint32(REQUEST_FRAME.id, frame.id);
      put(into, REQUEST_FRAME.address, frame.address, 16);
      view.setUint16(REQUEST_FRAME.port, frame.port);
      into[REQUEST_FRAME.serial] = frame.serial;
      put(into, REQUEST_FRAME.nonce, frame.nonce, 8);
      put(into, REQUEST_FRAME.encHash, frame.encHash, 32);
      put(into, REQUEST_FRAME.plaintext, frame.plaintext, PLAINTEXT_SIZE);
      putOptional(into, REQUEST_FRAME.knockKey, frame.knockKey);
      return into;
    case 'door':
      into[DOOR_FRAME.type] = FROM_SENTRY.door;
      into[DOOR_FRAME.family] = frame.family;
      view.setUint16(DOOR_FRAME.door, frame.door);
      view.setUint16(DOOR_FRAME.sequence, frame.sequence);
      view.setUint16(DOOR_FRAME.serial, frame.serial);
      put(into, DOOR_FRAME.source, frame.source, 16);
      put(into, DOOR_FRAME.destination, frame.destination, 16);
      return into;
    case 'knocked':
      if (frame.numbers.length > MOST_NUMBERS) throw new RangeError(`at most ${MOST_NUMBERS} numbers fit a frame`);
      into[KNOCKED_FRAME.type] = FROM_SENTRY.knocked;
      into[KNOCKED_FRAME.family] = frame.family;
      view.setUint16(KNOCKED_FRAME.count, frame.numbers.length);
      view.setUint32(KNOCKED_FRAME.ordinal, frame.ordinal);
      put(into, KNOCKED_FRAME.source, frame.source, 16);
      writeU64(into, KNOCKED_FRAME.slot, frame.slot);
      frame.numbers.forEach((number, index) => {
        view.setUint16(KNOCKED_FRAME.numbers + 2 * index, number);
      });
      return into;
    case 'fwknop':
      encodeFwknop(frame, into, view);
      return into;
    case 'tally':
      encodeTally(frame, into);
      return into;
  }
}

/** Reads what a sentry sent. Undefined when no sentry of ours sends that. */
export function decodeSentryFrame(frame: Uint8Array): SentryFrame | undefined {
  if (frame.length !== FRAME) return undefined;
  const view = viewOf(frame);
  switch (frame[0]) {
    case FROM_SENTRY.ready:
      return zero(frame, 1, FRAME) ? { type: 'ready' } : undefined;
    case FROM_SENTRY.report: {
      const count = view.getUint32(REPORT_FRAME.count);
      if (count > MOST_COUNTERS || !zero(frame, 1, REPORT_FRAME.count)) return undefined;
      if (!zero(frame, REPORT_FRAME.counters + 4 * count, FRAME)) return undefined;
      const counters = new Uint32Array(count);
      for (let index = 0; index < count; index++) counters[index] = view.getUint32(REPORT_FRAME.counters + 4 * index);
      const knocks = Uint32Array.from(KNOCK_COUNTERS, (_, index) => view.getUint32(REPORT_FRAME.knocks + 4 * index));
      return { type: 'report', counters, knocks };
    }
    case FROM_SENTRY.request: {
      const suite = frame[REQUEST_FRAME.suite];
      const gateKey = frame[REQUEST_FRAME.gateKey];
      const family = frame[REQUEST_FRAME.family];
      if (suite !== 1 && suite !== 2) return undefined;
      if (gateKey !== 0 && gateKey !== 1) return undefined;
      if (family !== 4 && family !== 6) return undefined;
      if (isMapped(frame, REQUEST_FRAME.address) !== (family === 4)) return undefined;
      if (!zero(frame, REQUEST_FRAME.serial + 1, REQUEST_FRAME.nonce) || frame[REQUEST_FRAME.zero] !== 0)
        return undefined;
      if (!zero(frame, REQUEST_FRAME.knockKey + 32, FRAME)) return undefined;
      return {
        type: 'request',
        suite,
        gateKey,
        serial: frame[REQUEST_FRAME.serial] ?? 0,
        family,
        id: view.getUint32(REQUEST_FRAME.id),
        address: frame.slice(REQUEST_FRAME.address, REQUEST_FRAME.address + 16),
        port: view.getUint16(REQUEST_FRAME.port),
        nonce: frame.slice(REQUEST_FRAME.nonce, REQUEST_FRAME.nonce + 8),
        encHash: frame.slice(REQUEST_FRAME.encHash, REQUEST_FRAME.encHash + 32),
        plaintext: frame.slice(REQUEST_FRAME.plaintext, REQUEST_FRAME.zero),
        knockKey: optional(frame, REQUEST_FRAME.knockKey),
      };
    }
    case FROM_SENTRY.door: {
      const family = familyAt(frame, DOOR_FRAME.family, DOOR_FRAME.source);
      if (family === undefined || isMapped(frame, DOOR_FRAME.destination) !== (family === 4)) return undefined;
      if (!zero(frame, DOOR_FRAME.end, FRAME)) return undefined;
      return {
        type: 'door',
        family,
        door: view.getUint16(DOOR_FRAME.door),
        sequence: view.getUint16(DOOR_FRAME.sequence),
        serial: view.getUint16(DOOR_FRAME.serial),
        source: frame.slice(DOOR_FRAME.source, DOOR_FRAME.source + 16),
        destination: frame.slice(DOOR_FRAME.destination, DOOR_FRAME.destination + 16),
      };
    }
    case FROM_SENTRY.knocked: {
      const family = familyAt(frame, KNOCKED_FRAME.family, KNOCKED_FRAME.source);
      const count = view.getUint16(KNOCKED_FRAME.count);
      const slot = readU64(frame, KNOCKED_FRAME.slot);
      if (family === undefined || slot === undefined || count === 0 || count > MOST_NUMBERS) return undefined;
      if (!zero(frame, KNOCKED_FRAME.numbers + 2 * count, FRAME)) return undefined;
      const numbers = Uint16Array.from({ length: count }, (_, index) =>
        readU16(frame, KNOCKED_FRAME.numbers + 2 * index),
      );
      if (new Set(numbers).size !== count) return undefined;
      const source = frame.slice(KNOCKED_FRAME.source, KNOCKED_FRAME.source + 16);
      return { type: 'knocked', family, ordinal: view.getUint32(KNOCKED_FRAME.ordinal), slot, source, numbers };
    }
    case FROM_SENTRY.fwknop:
      return decodeFwknop(frame, view);
    case FROM_SENTRY.tally:
      return decodeTally(frame);
    default:
      return undefined;
  }
}

/**
 * Writes a monitor's frame into `into` (512 bytes, overwritten wholly) and returns it.
 * @throws RangeError when a field has the wrong size, or a next key is all zero.
 */
export function encodeMonitorFrame(frame: MonitorFrame, into: Uint8Array = new Uint8Array(FRAME)): Uint8Array {
  const view = start(into);
  switch (frame.type) {
    case 'setup':
      into[SETUP_FRAME.type] = FROM_MONITOR.setup;
      for (const name of SETUP_FLAGS) {
        if (frame[name]) into[SETUP_FRAME.flags] = (into[SETUP_FRAME.flags] ?? 0) | SETUP_FLAG[name];
      }
      for (const name of SETUP_MORE_FLAGS) {
        if (frame[name]) into[SETUP_FRAME.more] = (into[SETUP_FRAME.more] ?? 0) | SETUP_MORE[name];
      }
      view.setUint16(SETUP_FRAME.port, frame.port);
      put(into, SETUP_FRAME.x25519, frame.x25519, 32);
      put(into, SETUP_FRAME.xwing, frame.xwing, 32);
      return into;
    case 'keys':
      into[KEYS_FRAME.type] = FROM_MONITOR.keys;
      into[KEYS_FRAME.count] = frame.next === undefined ? 1 : 2;
      into[KEYS_FRAME.serial] = frame.serial;
      put(into, KEYS_FRAME.current, frame.current, 32);
      putOptional(into, KEYS_FRAME.next, frame.next);
      return into;
    case 'verdict':
      into[VERDICT_FRAME.type] = FROM_MONITOR.verdict;
      into[VERDICT_FRAME.status] = RECEIPT_STATUSES.indexOf(frame.status);
      view.setUint32(VERDICT_FRAME.id, frame.id);
      writeU64(into, VERDICT_FRAME.end, frame.end);
      writeU64(into, VERDICT_FRAME.now, frame.now);
      view.setUint32(VERDICT_FRAME.era, frame.era);
      put(into, VERDICT_FRAME.stateId, frame.stateId, 8);
      putOptional(into, VERDICT_FRAME.nextKey, frame.nextKey);
      return into;
    case 'doors':
      encodeDoors(frame, into, view);
      return into;
    case 'sets':
      encodeSets(frame, into, view);
      return into;
    case 'drop':
      encodeDrop(frame, into, view);
      return into;
    case 'credential':
      encodeCredential(frame, into);
      return into;
  }
}

/** Reads what the monitor sent. Undefined when no monitor of ours sends that. */
export function decodeMonitorFrame(frame: Uint8Array): MonitorFrame | undefined {
  if (frame.length !== FRAME) return undefined;
  const view = viewOf(frame);
  switch (frame[0]) {
    case FROM_MONITOR.setup: {
      const flags = frame[SETUP_FRAME.flags] ?? 0;
      const more = frame[SETUP_FRAME.more] ?? 0;
      if (!zero(frame, SETUP_END, FRAME) || more > 7) return undefined;
      return {
        type: 'setup',
        fwknop4: (more & SETUP_MORE.fwknop4) !== 0,
        fwknop6: (more & SETUP_MORE.fwknop6) !== 0,
        gpg: (more & SETUP_MORE.gpg) !== 0,
        packet4: (flags & SETUP_FLAG.packet4) !== 0,
        packet6: (flags & SETUP_FLAG.packet6) !== 0,
        udp4: (flags & SETUP_FLAG.udp4) !== 0,
        udp6: (flags & SETUP_FLAG.udp6) !== 0,
        receiveUdp: (flags & SETUP_FLAG.receiveUdp) !== 0,
        knock4: (flags & SETUP_FLAG.knock4) !== 0,
        knock6: (flags & SETUP_FLAG.knock6) !== 0,
        pqRequired: (flags & SETUP_FLAG.pqRequired) !== 0,
        port: view.getUint16(SETUP_FRAME.port),
        x25519: frame.slice(SETUP_FRAME.x25519, SETUP_FRAME.x25519 + 32),
        xwing: frame.slice(SETUP_FRAME.xwing, SETUP_FRAME.xwing + 32),
      };
    }
    case FROM_MONITOR.keys: {
      const next = optional(frame, KEYS_FRAME.next);
      if (frame[KEYS_FRAME.count] !== (next === undefined ? 1 : 2)) return undefined;
      if (!zero(frame, KEYS_FRAME.serial + 1, KEYS_FRAME.current) || !zero(frame, KEYS_END, FRAME)) return undefined;
      return {
        type: 'keys',
        serial: frame[KEYS_FRAME.serial] ?? 0,
        current: frame.slice(KEYS_FRAME.current, KEYS_FRAME.current + 32),
        next,
      };
    }
    case FROM_MONITOR.verdict: {
      const status = RECEIPT_STATUSES[frame[VERDICT_FRAME.status] ?? 0];
      const end = readU64(frame, VERDICT_FRAME.end);
      const now = readU64(frame, VERDICT_FRAME.now);
      if (status === undefined || end === undefined || now === undefined) return undefined;
      if (!zero(frame, VERDICT_FRAME.status + 1, VERDICT_FRAME.id) || !zero(frame, VERDICT_END, FRAME))
        return undefined;
      return {
        type: 'verdict',
        status,
        id: view.getUint32(VERDICT_FRAME.id),
        end: end as UnixMicros,
        now: now as UnixMicros,
        era: view.getUint32(VERDICT_FRAME.era),
        stateId: frame.slice(VERDICT_FRAME.stateId, VERDICT_FRAME.stateId + 8),
        nextKey: optional(frame, VERDICT_FRAME.nextKey),
      };
    }
    case FROM_MONITOR.doors:
      return decodeDoors(frame, view);
    case FROM_MONITOR.sets:
      return decodeSets(frame, view);
    case FROM_MONITOR.drop:
      return decodeDrop(frame, view);
    case FROM_MONITOR.credential:
      return decodeCredential(frame);
    default:
      return undefined;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function start(into: Uint8Array): DataView {
  if (into.length !== FRAME) throw new RangeError(`a frame has ${FRAME} bytes, not ${into.length}`);
  into.fill(0);
  return viewOf(into);
}

/** All zero means "none" on the line, so a key of zeros must never be sent: it would be taken for none. */
function putOptional(into: Uint8Array, offset: number, key: Uint8Array | undefined): void {
  if (key === undefined) return;
  put(into, offset, key, 32);
  if (zero(key, 0, 32)) throw new RangeError('a key is all zero');
}

function optional(frame: Uint8Array, offset: number): Uint8Array | undefined {
  return zero(frame, offset, offset + 32) ? undefined : frame.slice(offset, offset + 32);
}

function familyAt(frame: Uint8Array, at: number, source: number): 4 | 6 | undefined {
  const family = frame[at];
  if (family !== 4 && family !== 6) return undefined;
  return isMapped(frame, source) === (family === 4) ? family : undefined;
}
