import { lazyMemory, secret } from '@postern/protocol';

/** Where a receipt goes to and where it comes from. */
export interface ReplyPath {
  readonly family: 4 | 6;
  /** The source of the request: 16 bytes, IPv4 as ::ffff:a.b.c.d. */
  readonly address: Uint8Array;
  readonly port: number;
  /** The address of this host that was knocked, likewise. */
  readonly local: Uint8Array;
  /** Index of the interface that it came in by. */
  readonly interfaceIndex: number;
}

/** A request that the monitor has not answered yet: what sealing and sending its receipt takes. */
export interface Outstanding {
  readonly path: ReplyPath;
  /** The request's mac, 16 bytes. */
  readonly mac: Uint8Array;
  /** 32 bytes. Secret. */
  readonly receiptKey: Uint8Array;
}

/** A request waits for a verdict while it is one of so many that came last; one more makes the oldest of them wait in vain. A power of two. */
export const MOST_PENDING = 4096;

/** How long a request waits for a verdict, in microseconds. Most wait in vain: a refused request draws none. */
export const PENDING_MICROS = 10_000_000;

/** Bytes of a place: both addresses and the mac; and of its key. */
const [ADDRESS, MAC, KEY] = [16, 16, 32] as const;
const [LOCAL_AT, MAC_AT, BYTES] = [ADDRESS, 2 * ADDRESS, 2 * ADDRESS + MAC] as const;

/**
 * Requests by id (u32), the oldest first: a ring of flat arrays, where a request's place is its id modulo their length. Objects would live just as long as
 * it takes V8 to believe that they stay: it then makes them where it collects seldom, and all that they lead to follows them there.
 */
export class Pending {
  readonly #bytes = new Uint8Array(lazyMemory(MOST_PENDING * BYTES));
  readonly #keys: Uint8Array;
  /** 0 where nothing waits. */
  readonly #families = new Uint8Array(lazyMemory(MOST_PENDING));
  readonly #ports = new Uint16Array(lazyMemory(MOST_PENDING * 2));
  readonly #interfaces = new Uint32Array(lazyMemory(MOST_PENDING * 4));
  readonly #expires = new Float64Array(lazyMemory(MOST_PENDING * 8));
  /** No request before this id waits. */
  #first: number;
  #next: number;
  #size = 0;

  /**
   * @param first - the first id, u32
   * @param keys - where the receipts' keys are kept, 32 bytes for each of {@link MOST_PENDING}
   */
  constructor(first = 0, keys: Uint8Array = new Uint8Array(lazyMemory(MOST_PENDING * KEY))) {
    [this.#first, this.#next] = [first, first];
    this.#keys = keys;
  }

  /** How many requests wait. */
  get size(): number {
    return this.#size;
  }

  /** The id for a request that is about to be sent: the same until one is added. */
  get id(): number {
    return this.#next;
  }

  /** Adds the request of that id when it was sent, at `now` (microseconds). Its key is moved: the caller's is zero afterwards. */
  add({ path, mac, receiptKey }: Outstanding, now: number): void {
    this.expire(now);
    const place = this.#next % MOST_PENDING;
    if ((this.#next - this.#first) >>> 0 === MOST_PENDING) this.#dropFirst();
    this.#next = (this.#next + 1) >>> 0;
    this.#size++;
    this.#bytes.set(path.address, place * BYTES);
    this.#bytes.set(path.local, place * BYTES + LOCAL_AT);
    this.#bytes.set(mac, place * BYTES + MAC_AT);
    this.#keys.set(receiptKey, place * KEY);
    receiptKey.fill(0);
    this.#families[place] = path.family;
    this.#ports[place] = path.port;
    this.#interfaces[place] = path.interfaceIndex;
    this.#expires[place] = now + PENDING_MICROS;
  }

  /** Takes a request out: it can be answered once. Undefined when it is unknown, was answered or waited too long. */
  take(id: number, now: number): Outstanding | undefined {
    this.expire(now);
    if ((id - this.#first) >>> 0 >= (this.#next - this.#first) >>> 0) return undefined;
    const place = id % MOST_PENDING;
    const family = this.#families[place];
    if (family !== 4 && family !== 6) return undefined;
    const bytes = this.#bytes.slice(place * BYTES, (place + 1) * BYTES);
    const path: ReplyPath = {
      family,
      address: bytes.subarray(0, LOCAL_AT),
      port: this.#ports[place] ?? 0,
      local: bytes.subarray(LOCAL_AT, MAC_AT),
      interfaceIndex: this.#interfaces[place] ?? 0,
    };
    const receiptKey = secret(this.#keys.slice(place * KEY, (place + 1) * KEY));
    this.#clear(place);
    return { path, mac: bytes.subarray(MAC_AT), receiptKey };
  }

  /** Forgets what waited too long; a clock that went back makes nothing wait longer than it would have from then. */
  expire(now: number): void {
    while (this.#first !== this.#next) {
      const place = this.#first % MOST_PENDING;
      const expires = this.#expires[place] ?? 0;
      if (this.#families[place] !== 0 && expires > now && expires <= now + PENDING_MICROS) return;
      this.#dropFirst();
    }
  }

  #dropFirst(): void {
    const place = this.#first % MOST_PENDING;
    this.#first = (this.#first + 1) >>> 0;
    if (this.#families[place] !== 0) this.#clear(place);
  }

  #clear(place: number): void {
    this.#keys.fill(0, place * KEY, (place + 1) * KEY);
    this.#families[place] = 0;
    this.#size--;
  }
}
