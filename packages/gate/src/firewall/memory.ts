import { MICROS_PER_SECOND, type Seconds, type UnixMicros } from '@postern/protocol';
import { checkExceptions } from './dark.ts';
import { endpointKey, flowKey, grantKey, grantKeyEnd, graceOf, isSingle, targetData } from './elements.ts';
import {
  ONCE_SECONDS,
  ONCE_SLOTS,
  type Applied,
  type Armed,
  type Change,
  type Darkness,
  type Endpoint,
  type Exceptions,
  type Firewall,
  type Flow,
  type Opening,
  type Place,
  type Plan,
  type Protection,
  type Source,
  type Target,
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
  /** Where a connection that was let in is led; undefined: to this host. */
  leads(arrival: Arrival): Target | undefined;
  /** Counts one packet to the knock port. */
  knock(): void;
}

interface Held {
  readonly source: Source;
  readonly endpoint: Endpoint;
  readonly id: string;
  readonly ends: number;
  readonly target?: Target | undefined;
}

/** Everything that the kernel would hold; replaced as a whole by a batch that succeeds. */
interface State {
  readonly open: Map<string, Held>;
  /** Prefixes by set. */
  readonly net: readonly Map<string, Held>[];
  /** Armed places by number. */
  readonly once: readonly Map<string, Held>[];
  /** Where the places of a key lead. */
  readonly leads: Map<string, Target>;
}

const CAPACITY = 65_535;

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

function emptyState(): State {
  const maps = (count: number): Map<string, Held>[] => Array.from({ length: count }, () => new Map<string, Held>());
  return { open: new Map(), net: maps(NET_SETS), once: maps(ONCE_SLOTS), leads: new Map() };
}

/** A copy without what ended: the kernel does not keep it either. */
function copyState({ open, net, once, leads }: State, now: number): State {
  const live = (map: ReadonlyMap<string, Held>): Map<string, Held> =>
    new Map([...map].filter(([, { ends }]) => ends > now));
  const armed = once.map(live);
  return {
    open: live(open),
    net: net.map(live),
    once: armed,
    leads: new Map([...leads].filter(([key]) => armed.some((place) => place.has(key)))),
  };
}

/** The kernel keeps bytes, not what its callers hold. */
function copied({ family, address, prefix }: Source): Source {
  return { family, address: address.slice(), prefix };
}

class Memory implements MemoryFirewall {
  readonly #now: () => UnixMicros;
  #plan: Plan | undefined;
  #state = emptyState();
  readonly #protected = new Map<string, { readonly endpoint: Endpoint; readonly ends: number }>();
  #dark: { readonly allowed: ReadonlySet<string>; readonly ends: number } | undefined;
  readonly #flows = new Map<string, number>();
  readonly #established = new Map<string, Target | undefined>();
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
    const next = copyState(this.#state, this.#now());
    for (const change of changes) this.#checkTarget(change);
    const refused = changes.map((change) => this.#change(next, change)).find((reason) => reason !== undefined);
    if (this.#plan === undefined) return this.#absent(changes);
    const leading = changes.some((change) => 'target' in change && change.target !== undefined);
    if (leading && this.#plan.forwards !== true) return { ok: false, reason: 'gone' };
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
    const { open, net, once, leads } = this.#state;
    const collect = (map: Map<string, Held>, slot: number | undefined): void => {
      for (const [key, { source, endpoint, id, ends, ...held }] of map) {
        const target = slot === undefined ? held.target : leads.get(key);
        const lead = target === undefined ? {} : { target };
        if (ends > now) openings.push({ source, endpoint, id, slot, remaining: (ends - now) / 1000, ...lead });
      }
    };
    for (const map of [open, ...net]) collect(map, undefined);
    for (const [slot, map] of once.entries()) collect(map, slot);
    const protections = [...this.#protected.values()]
      .filter(({ ends }) => ends > now)
      .map(({ endpoint, ends }) => ({ endpoint, remaining: ends === Infinity ? undefined : (ends - now) / 1000 }));
    return { openings, protections };
  }

  armed(places: readonly Place[]): readonly (Armed | undefined)[] {
    const now = this.#now();
    return places.map(({ source, endpoint, slot }) => {
      const held = this.#place(this.#state, source, slot).get(hex(grantKey(source, endpoint)));
      return held === undefined || held.ends <= now ? undefined : { id: held.id };
    });
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
    if (admitted !== false) this.#established.set(this.#flow(arrival), admitted.target);
    return admitted !== false;
  }

  leads(arrival: Arrival): Target | undefined {
    return this.#established.get(this.#flow(arrival));
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

  #admits(arrival: Arrival): false | { readonly target: Target | undefined } {
    const { family, address, endpoint } = arrival;
    const closed = this.#isClosed(endpoint);
    if (closed && endpoint.protocol === 'udp' && this.#established.has(this.#flow(arrival)))
      return { target: this.leads(arrival) };
    const now = this.#now();
    const live = (held: Held | undefined): held is Held => held !== undefined && held.ends > now;
    const { open, net, once, leads } = this.#state;
    const key = hex(grantKey({ family, address, prefix: family === 4 ? 32 : 128 }, endpoint));
    const single = open.get(key);
    if (live(single)) return { target: single.target };
    for (const held of net.flatMap((map) => [...map.values()])) {
      if (held.source.family !== family || !live(held)) continue;
      const own = grantKey({ ...held.source, address }, endpoint);
      if (hex(own) === hex(grantKey(held.source, held.endpoint))) return { target: held.target };
    }
    if (!closed) return { target: undefined };
    return once.find((map) => live(map.get(key)))?.delete(key) === true && { target: leads.get(key) };
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
    const { endpoint } = change;
    const source = copied(change.source);
    const bytes = grantKey(source, endpoint);
    const key = hex(bytes);
    const now = this.#now();
    switch (change.kind) {
      case 'set': {
        const map = isSingle(source) ? next.open : this.#prefixPlace(next, source, endpoint);
        const held = {
          source,
          endpoint,
          id: change.id,
          ends: this.#ends(change.seconds) + graceOf(change) * 1000,
          target: change.target,
        };
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
        if (change.target === undefined) next.leads.delete(key);
        else next.leads.set(key, change.target);
        return this.#put(place, key, held) ? undefined : 'full';
      }
      case 'disarm':
        this.#place(next, source, change.slot).delete(key);
        return undefined;
    }
  }

  #checkTarget(change: Change): void {
    if ('target' in change && change.target !== undefined) targetData(change.source.family, change.target);
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
