import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import type { FwknopRecords } from './fwknop-records.ts';

/** Bytes that name a credential in the record. */
export const CREDENTIAL_ID = 16;
const PACKET_ID = 32;
/** The packet that was recorded last: credential 16, time u64, packet 32; then the latest time of any packet u64. */
const ENTRY = CREDENTIAL_ID + 8 + PACKET_ID + 8;

/** Names all credentials in the record of floors. */
const EVERYBODY = new Uint8Array(CREDENTIAL_ID);

/** Seconds for which a packet may live where the configuration says nothing of its age. */
const LIFE = 120;

/** `replayed`: it was recorded. `uncertain`: it is so old that the record may have forgotten it. */
export type ReplayRefusal = 'replayed' | 'uncertain';

/** What the memory is made from. */
export interface ReplayContext {
  readonly records: FwknopRecords;
  /** A file beside the configuration: where a backup of the state, or its loss, does not reach. */
  readonly anchor: string;
  /** Seconds that a packet's time may differ from ours; undefined: any. */
  readonly maxAge: number | undefined;
  /** Unix seconds. */
  readonly now: number;
  /** When fwknopd, which this gate takes the place of, let somebody in last, unix seconds: its packets are not in our record. */
  readonly before?: number | undefined;
}

/**
 * Which packets of fwknop's format have opened something. The format has no answer, so that nobody can be told `resync`; instead the packet that was recorded
 * last is kept a second time, beside the configuration, with the latest time that any of them had. A state that does not know it has lost records, and every
 * packet that could be among them is refused from then on: for some minutes nobody gets in who has not got a later time.
 */
export class FwknopReplay implements Disposable {
  readonly #records: FwknopRecords;
  readonly #fd: number;
  readonly #floor: number;
  /** The latest time of any packet, unix seconds: clocks are set back, and without an age any time goes. */
  #latest: number;
  /** Whether the state does not know the floor yet. */
  #owed: boolean;
  /** Whether records were lost. */
  readonly lost: boolean;

  /** @throws Error when the anchor cannot be opened */
  constructor({ records, anchor, maxAge = LIFE, now, before = 0 }: ReplayContext) {
    this.#records = records;
    this.#fd = openSync(anchor, constants.O_RDWR | constants.O_CREAT, 0o600);
    const last = readEntry(this.#fd);
    this.#latest = last?.latest ?? 0;
    this.lost = last !== undefined && !records.has(last.credential, last.time, last.packet);
    const known = records.floor(EVERYBODY);
    // A client's clock may have been ahead by as much as we let it.
    const afterLoss = this.lost ? Math.max(now + maxAge, this.#latest) : 0;
    const afterOther = before > 0 ? Math.min(before, now) + maxAge : 0;
    this.#floor = Math.max(known, afterLoss, afterOther);
    this.#owed = this.#floor > known;
    try {
      this.#payFloor();
    } catch {
      // A full disk. It holds for this run all the same, and nothing is recorded before it is.
    }
  }

  #payFloor(): void {
    if (this.#owed) this.#records.setFloor(EVERYBODY, this.#floor);
    this.#owed = false;
  }

  /** Packets of this time and before are refused, whoever sends them; 0: none. Unix seconds. */
  get floor(): number {
    return this.#floor;
  }

  /** Why the packet may have opened before, if so. */
  refusal(credential: Uint8Array, time: number, packet: Uint8Array): ReplayRefusal | undefined {
    if (this.#records.has(credential, time, packet)) return 'replayed';
    return time <= Math.max(this.#floor, this.#records.floor(credential)) ? 'uncertain' : undefined;
  }

  /** The durable record: on return the packet is used, for good. @throws when it could not be written */
  use(credential: Uint8Array, time: number, packet: Uint8Array): void {
    this.#payFloor();
    this.#records.add(credential, time, packet);
    this.#latest = Math.max(this.#latest, time);
    const entry = Buffer.alloc(ENTRY);
    entry.set(credential);
    entry.writeBigUInt64BE(BigInt(time), CREDENTIAL_ID);
    entry.set(packet, CREDENTIAL_ID + 8);
    entry.writeBigUInt64BE(BigInt(this.#latest), CREDENTIAL_ID + 8 + PACKET_ID);
    try {
      writeSync(this.#fd, entry, 0, ENTRY, 0);
    } catch {
      // The first memory has it; this second one is for the day that the first is lost.
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

interface Entry {
  readonly credential: Uint8Array;
  readonly time: number;
  readonly packet: Uint8Array;
  readonly latest: number;
}

function readEntry(fd: number): Entry | undefined {
  const entry = Buffer.alloc(ENTRY);
  if (readSync(fd, entry, 0, ENTRY, 0) !== ENTRY) return undefined;
  const timeAt = (offset: number): number => Number(entry.readBigUInt64BE(offset));
  return {
    credential: new Uint8Array(entry.subarray(0, CREDENTIAL_ID)),
    time: timeAt(CREDENTIAL_ID),
    packet: new Uint8Array(entry.subarray(CREDENTIAL_ID + 8, CREDENTIAL_ID + 8 + PACKET_ID)),
    latest: timeAt(CREDENTIAL_ID + 8 + PACKET_ID),
  };
}
