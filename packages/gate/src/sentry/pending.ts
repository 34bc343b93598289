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

/** The most requests that wait for a verdict; one more makes the oldest of them wait in vain. */
export const MOST_PENDING = 4096;

/** How long a request waits for a verdict, in microseconds. Most wait in vain: a refused request draws none. */
export const PENDING_MICROS = 10_000_000;

interface Entry {
  readonly outstanding: Outstanding;
  readonly expires: number;
}

/** Requests by id (u32), the oldest first. */
export class Pending {
  readonly #entries = new Map<number, Entry>();
  #next = 0;

  /** How many requests wait. */
  get size(): number {
    return this.#entries.size;
  }

  /** An id for a request that is about to be sent. */
  id(): number {
    const id = this.#next;
    this.#next = (this.#next + 1) >>> 0;
    return id;
  }

  /** Adds the request of such an id when it was sent, at `now` (microseconds). */
  add(id: number, outstanding: Outstanding, now: number): void {
    this.expire(now);
    if (this.#entries.size === MOST_PENDING) this.#dropOldest();
    this.#entries.set(id, { outstanding, expires: now + PENDING_MICROS });
  }

  /** Takes a request out: it can be answered once. Undefined when it is unknown, was answered or waited too long. */
  take(id: number, now: number): Outstanding | undefined {
    this.expire(now);
    const entry = this.#entries.get(id);
    this.#entries.delete(id);
    return entry?.outstanding;
  }

  /** Forgets what waited too long; a clock that went back makes nothing wait longer than it would have from then. */
  expire(now: number): void {
    for (const [id, entry] of this.#entries) {
      if (entry.expires > now && entry.expires <= now + PENDING_MICROS) return;
      this.#drop(id, entry);
    }
  }

  #dropOldest(): void {
    for (const [id, entry] of this.#entries) {
      this.#drop(id, entry);
      return;
    }
  }

  #drop(id: number, entry: Entry): void {
    entry.outstanding.receiptKey.fill(0);
    this.#entries.delete(id);
  }
}
