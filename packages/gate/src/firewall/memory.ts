import { MICROS_PER_SECOND, type Seconds, type UnixMicros } from '@postern/protocol';
import { checkExceptions } from './dark.ts';
import { endpointKey, flowKey, grantKey, grantKeyEnd, isSingle } from './elements.ts';
import {
  ONCE_SECONDS,
  ONCE_SLOTS,
  type Applied,
  type Change,
  type Darkness,
  type Endpoint,
  type Exceptions,
  type Firewall,
  type Flow,
  type Opening,
  type Plan,
  type Protection,
  type Source,
} from './port.ts';
import { choosePlace } from './prefix-place.ts';
import { NET_SETS } from './table.ts';

/** A packet that arrives at an endpoint of this host. */
export interface Arrival {
  readonly family: 4 | 6;
  /** 16 bytes; IPv4 as ::ffff:a.b.c.d. */
  readonly address: Uint8Array;
  readonly port: number;
  readonly endpoint: Endpoint;
}

/** What the twin can be asked besides a firewall's own questions. */
export interface MemoryFirewall extends Firewall {
  /** Whether the first packet of a new connection is let in. A place that lets it in is used up. */
  admits(arrival: Arrival): boolean;
  /** Whether a later packet of a connection is let in. */
  carries(arrival: Arrival): boolean;
  /** Counts one packet to the knock port. */
  knock(): void;
}

interface Held {
  readonly source: Source;
  readonly endpoint: Endpoint;
  readonly id: string;
  readonly ends: number;
}

/** Everything that the kernel would hold; replaced as a whole by a batch that succeeds. */
interface State {
  readonly open: Map<string, Held>;
  /** Prefixes by set. */
  readonly net: readonly Map<string, Held>[];
  /** Armed places by number. */
  readonly once: readonly Map<string, Held>[];
}

const CAPACITY = 65_535;

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

function emptyState(): State {
  const maps = (count: number): Map<string, Held>[] => Array.from({ length: count }, () => new Map<string, Held>());
  return { open: new Map(), net: maps(NET_SETS), once: maps(ONCE_SLOTS) };
}

function copyState({ open, net, once }: State): State {
  return { open: new Map(open), net: net.map((map) => new Map(map)), once: once.map((map) => new Map(map)) };
}

class Memory implements MemoryFirewall {
  readonly #now: () => UnixMicros;
  #plan: Plan | undefined;
  #state = emptyState();
  readonly #protected = new Map<string, { readonly endpoint: Endpoint; readonly ends: number }>();
  #dark: { readonly allowed: ReadonlySet<string>; readonly ends: number } | undefined;
  readonly #flows = new Map<string, number>();
  readonly #established = new Set<string>();
  #knocks = 0;

  constructor(now: () => UnixMicros) {
    this.#now = now;
  }

  install(plan: Plan): void {
    if (!Number.isInteger(plan.knockPort) || plan.knockPort < 1 || plan.knockPort > 65535) {
      throw new RangeError(`knock port must be 1 to 65535, not ${plan.knockPort}`);
    }
    this.#plan = plan;
  }

  apply(changes: readonly Change[]): Applied {
    const next = copyState(this.#state);
    const refused = changes.map((change) => this.#change(next, change)).find((reason) => reason !== undefined);
    if (this.#plan === undefined) return this.#absent(changes);
    if (refused !== undefined) return { ok: false, reason: refused };
    this.#state = next;
    return { ok: true };
  }

  protect(endpoints: readonly Endpoint[], seconds: Seconds | undefined): Applied {
    if (seconds !== undefined) this.#ends(seconds);
    if (this.#plan === undefined) return this.#absent(endpoints);
    const ends = seconds === undefined ? Infinity : this.#ends(seconds);
    for (const endpoint of endpoints) this.#protected.set(hex(endpointKey(endpoint)), { endpoint, ends });
    return { ok: true };
  }

  unprotect(endpoints: readonly Endpoint[]): Applied {
    if (this.#plan === undefined) return this.#absent(endpoints);
    for (const endpoint of endpoints) this.#protected.delete(hex(endpointKey(endpoint)));
    return { ok: true };
  }

  darken(exceptions: Exceptions, seconds: Seconds | undefined): Applied {
    checkExceptions(exceptions);
    const ends = seconds === undefined ? Infinity : this.#ends(seconds);
    if (this.#plan === undefined) return this.#absent([exceptions]);
    this.#dark = { allowed: new Set(exceptions.endpoints.map((endpoint) => hex(endpointKey(endpoint)))), ends };
    return { ok: true };
  }

  lighten(): Applied {
    if (this.#plan === undefined) return this.#absent([this.#dark]);
    this.#dark = undefined;
    return { ok: true };
  }

  darkness(): Darkness | undefined {
    const left = (this.#dark?.ends ?? 0) - this.#now();
    if (left <= 0) return undefined;
    return { remaining: left === Infinity ? undefined : left / 1000 };
  }

  seed(flows: readonly Flow[], seconds: Seconds): Applied {
    const ends = this.#ends(seconds);
    if (this.#plan === undefined) return this.#absent(flows);
    for (const flow of flows) this.#flows.set(hex(flowKey(flow)), ends);
    return { ok: true };
  }

  list(): { readonly openings: readonly Opening[]; readonly protections: readonly Protection[] } {
    const now = this.#now();
    const openings: Opening[] = [];
    const collect = (map: Map<string, Held>, slot: number | undefined): void => {
      for (const { source, endpoint, id, ends } of map.values()) {
        if (ends > now) openings.push({ source, endpoint, id, slot, remaining: (ends - now) / 1000 });
      }
    };
    const { open, net, once } = this.#state;
    for (const map of [open, ...net]) collect(map, undefined);
    for (const [slot, map] of once.entries()) collect(map, slot);
    const protections = [...this.#protected.values()]
      .filter(({ ends }) => ends > now)
      .map(({ endpoint, ends }) => ({ endpoint, remaining: ends === Infinity ? undefined : (ends - now) / 1000 }));
    return { openings, protections };
  }

  present(): boolean {
    return this.#plan !== undefined;
  }

  knocks(): number {
    return this.#knocks;
  }

  remove(): void {
    this.#plan = undefined;
    this.#state = emptyState();
    this.#protected.clear();
    this.#dark = undefined;
    this.#flows.clear();
    this.#knocks = 0;
  }

  /** Nothing: like the kernel's, what it holds outlives the process. */
  [Symbol.dispose](): void {}

  admits(arrival: Arrival): boolean {
    const admitted = this.#admits(arrival);
    if (admitted) this.#established.add(this.#flow(arrival));
    return admitted;
  }

  carries(arrival: Arrival): boolean {
    const flow = this.#flow(arrival);
    return (
      !this.#isClosed(arrival.endpoint) || this.#established.has(flow) || (this.#flows.get(flow) ?? 0) > this.#now()
    );
  }

  knock(): void {
    if (this.#plan !== undefined) this.#knocks++;
  }

  #admits({ family, address, port, endpoint }: Arrival): boolean {
    if (!this.#isClosed(endpoint)) return true;
    const flow = this.#flow({ family, address, port, endpoint });
    if (endpoint.protocol === 'udp' && this.#established.has(flow)) return true;
    const now = this.#now();
    const live = (held: Held | undefined): boolean => held !== undefined && held.ends > now;
    const { open, net, once } = this.#state;
    const key = grantKey({ family, address, prefix: family === 4 ? 32 : 128 }, endpoint);
    if (live(open.get(hex(key)))) return true;
    for (const held of net.flatMap((map) => [...map.values()])) {
      if (held.source.family !== family || !live(held)) continue;
      const own = grantKey({ ...held.source, address }, endpoint);
      if (hex(own) === hex(grantKey(held.source, held.endpoint))) return true;
    }
    const place = once.find((map) => live(map.get(hex(key))));
    place?.delete(hex(key));
    return place !== undefined;
  }

  #isClosed(endpoint: Endpoint): boolean {
    const key = hex(endpointKey(endpoint));
    if ((this.#protected.get(key)?.ends ?? 0) > this.#now()) return true;
    return this.darkness() !== undefined && this.#dark?.allowed.has(key) !== true;
  }

  #flow({ family, address, port, endpoint }: Arrival): string {
    const flow = {
      family,
      protocol: 'tcp',
      remoteAddress: address,
      remotePort: port,
      localPort: endpoint.port,
    } as const;
    return hex(flowKey(flow)) + (endpoint.protocol === 'udp' ? ' udp' : '');
  }

  #change(next: State, change: Change): 'taken' | 'missing' | 'full' | undefined {
    const { source, endpoint } = change;
    const bytes = grantKey(source, endpoint);
    const key = hex(bytes);
    const now = this.#now();
    switch (change.kind) {
      case 'set': {
        const map = isSingle(source) ? next.open : this.#prefixPlace(next, source, endpoint);
        const held = { source, endpoint, id: change.id, ends: this.#ends(change.seconds) };
        return map !== undefined && this.#put(map, isSingle(source) ? key : `${key}/${source.prefix}`, held)
          ? undefined
          : 'full';
      }
      case 'unset':
        if (isSingle(source)) next.open.delete(key);
        else for (const map of next.net) map.delete(`${key}/${source.prefix}`);
        return undefined;
      case 'arm':
      case 'rearm': {
        const place = this.#place(next, source, change.slot);
        if (change.seconds > ONCE_SECONDS) throw new RangeError(`a place is armed for ${ONCE_SECONDS} seconds at most`);
        const held = { source, endpoint, id: change.id, ends: this.#ends(change.seconds) };
        const armed = (place.get(key)?.ends ?? 0) > now;
        if (armed !== (change.kind === 'rearm')) return armed ? 'taken' : 'missing';
        return this.#put(place, key, held) ? undefined : 'full';
      }
      case 'disarm':
        this.#place(next, source, change.slot).delete(key);
        return undefined;
    }
  }

  #put(map: Map<string, Held>, key: string, held: Held): boolean {
    if (!map.has(key) && map.size >= CAPACITY) {
      for (const [other, { ends }] of map) if (ends <= this.#now()) map.delete(other);
      if (map.size >= CAPACITY) return false;
    }
    map.set(key, held);
    return true;
  }

  #prefixPlace(next: State, source: Source, endpoint: Endpoint): Map<string, Held> | undefined {
    const now = this.#now();
    const intervals = next.net.map((map) => {
      for (const [key, { ends }] of map) if (ends <= now) map.delete(key);
      return [...map.values()]
        .filter((held) => held.source.family === source.family)
        .map((held) => ({
          key: grantKey(held.source, held.endpoint),
          keyEnd: grantKeyEnd(held.source, held.endpoint),
        }));
    });
    const wanted = { key: grantKey(source, endpoint), keyEnd: grantKeyEnd(source, endpoint) };
    return next.net[choosePlace(intervals, wanted)?.index ?? -1];
  }

  #place(next: State, source: Source, slot: number): Map<string, Held> {
    if (!isSingle(source)) throw new RangeError('a prefix cannot be armed for a single connection');
    const place = next.once[slot];
    if (place === undefined) throw new RangeError(`slot must be 0 to ${ONCE_SLOTS - 1}, not ${slot}`);
    return place;
  }

  #ends(seconds: Seconds): number {
    if (!Number.isInteger(seconds) || seconds < 1 || seconds > 0xffffffff) {
      throw new RangeError(`seconds must be 1 to 4,294,967,295, not ${seconds}`);
    }
    return this.#now() + seconds * MICROS_PER_SECOND;
  }

  #absent(asked: readonly unknown[]): Applied {
    return asked.length === 0 ? { ok: true } : { ok: false, reason: 'gone' };
  }
}

/** A firewall that holds everything in memory and ends it by the clock it is given: the twin of the kernel's, for tests. */
export function memoryFirewall(options: { readonly now: () => UnixMicros }): MemoryFirewall {
  return new Memory(options.now);
}
