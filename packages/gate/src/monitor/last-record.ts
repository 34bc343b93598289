import { closeSync, constants, mkdirSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { concat, encodeRow, equal, fromHex, type DeviceId, type FreshnessRow } from '@postern/protocol';

/** Largest entry: device 16 bytes and a row. */
const LONGEST = 4096;

/** This boot of the kernel, 36 characters: what was written before it says nothing about the state's disk. */
function bootId(): Uint8Array {
  return readFileSync('/proc/sys/kernel/random/boot_id');
}

/**
 * The last record, made durable or just about to be, mirrored where a backup of the state does not reach (the runtime directory). A database that does not
 * have just this record is older than what was written last, restored from a backup say, and packets recorded since could open again: the
 * gate then gives its state a new id.
 */
export class LastRecord implements Disposable {
  readonly #fd: number;
  readonly #boot = bootId();
  #head: Uint8Array = this.#boot;

  constructor(file: string) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    this.#fd = openSync(file, constants.O_RDWR | constants.O_CREAT, 0o600);
  }

  /** Whether the mirror was written since this boot, for the state `stateId`, and `rowOf` has what it says was recorded last. */
  matches(stateId: Uint8Array, rowOf: (device: DeviceId) => FreshnessRow | undefined): boolean {
    const bytes = Buffer.alloc(LONGEST);
    const size = readSync(this.#fd, bytes, 0, LONGEST, 0);
    const end = 2 + bytes.readUInt16BE(0);
    if (size < end) return false;
    const held = bytes.subarray(2, end);
    const head = concat(this.#boot, stateId);
    if (held.length < head.length || !equal(held.subarray(0, head.length), head)) return false;
    const entry = held.subarray(head.length);
    if (entry.length > 0) {
      const row = rowOf(Buffer.from(entry.subarray(0, 16)).toString('hex') as DeviceId);
      if (row === undefined || !equal(encodeRow(row), entry.subarray(16))) return false;
    }
    // Only now: should no new id be written down, what is mirrored next must not make the old one match again.
    this.#head = head;
    return true;
  }

  /** Starts anew with a state of which nothing was recorded yet. */
  clear(stateId: Uint8Array): void {
    this.#head = concat(this.#boot, stateId);
    this.#write(this.#head);
  }

  /** Mirrors a record. False: the runtime directory is full, and the next start will not match, which costs a new state id and nothing more. */
  set(device: DeviceId, row: FreshnessRow): boolean {
    try {
      this.#write(concat(this.#head, fromHex(device), encodeRow(row)));
      return true;
    } catch {
      return false;
    }
  }

  /** Its size first, then itself, in one write: what an earlier one left behind it does not count. */
  #write(bytes: Uint8Array): void {
    const sized = Buffer.alloc(2 + bytes.length);
    sized.writeUInt16BE(bytes.length);
    sized.set(bytes, 2);
    const written = writeSync(this.#fd, sized, 0, sized.length, 0);
    if (written !== sized.length) throw new Error('the mirror was not written as a whole');
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
