import {
  MICROS_PER_SECOND,
  accept,
  refuse,
  toHex,
  type DeviceId,
  type Random,
  type RequestId,
  type Result,
  type Seconds,
  type ServiceName,
  type UnixMicros,
} from '@postern/protocol';
import { ONCE_SLOTS, type Applied, type Change, type Endpoint, type Firewall, type Source } from '../firewall/port.ts';
import type { Store, StoredGrant } from './store.ts';

/** Leave for one source to reach one service until a time. The kernel holds it and ends it; this is what we know about it. */
export interface Grant {
  /** 8 random bytes in hexadecimal: the only thing about it that the ruleset shows. */
  readonly id: string;
  readonly request: RequestId;
  /** Undefined for a grant that was found in the kernel and in no record. */
  readonly device: DeviceId | undefined;
  readonly service: ServiceName | undefined;
  readonly source: Source;
  readonly endpoints: readonly Endpoint[];
  readonly created: UnixMicros;
  readonly ends: UnixMicros;
  /** Place of a single-use grant, the same for each of its endpoints; undefined for a timed one. */
  readonly slot: number | undefined;
}

/** What a grant is asked for with. */
export interface Wanted {
  readonly request: RequestId;
  readonly device: DeviceId;
  readonly service: ServiceName;
  readonly source: Source;
  readonly endpoints: readonly Endpoint[];
  readonly seconds: Seconds;
  readonly singleUse: boolean;
}

/** How long an ended grant is remembered, so that a late retry of its request gets the same answer instead of a second grant. */
const REMEMBERED = 300 * MICROS_PER_SECOND;

/** `full`: the kernel's sets, or the 32 single-use places of this source, hold no more. `failed`: the firewall refused; see the log. */
export type GrantRefusal = 'full' | 'failed';

/** An endpoint as text: "tcp/22". */
export function formatEndpoint(endpoint: Endpoint): string {
  return `${endpoint.protocol}/${String(endpoint.port)}`;
}

function parseEndpoints(text: string): Endpoint[] {
  return text.split(' ').map((word) => {
    const [protocol, port] = word.split('/');
    return { protocol: protocol === 'udp' ? 'udp' : 'tcp', port: Number(port) };
  });
}

function sameSource(a: Source, b: Source): boolean {
  return a.family === b.family && a.prefix === b.prefix && toHex(a.address) === toHex(b.address);
}

function elementKey(source: Source, endpoint: Endpoint): string {
  return `${toHex(source.address)}/${String(source.prefix)} ${formatEndpoint(endpoint)}`;
}

function secondsUntil(ends: UnixMicros, now: UnixMicros): Seconds {
  return Math.max(1, Math.ceil((ends - now) / MICROS_PER_SECOND)) as Seconds;
}

/** The gate's book of grants over the firewall that holds them. */
export class GrantBook {
  readonly #firewall: Firewall;
  readonly #store: Store;
  readonly #random: Random;
  readonly #onError: (error: string) => void;
  readonly #grants = new Map<string, Grant>();
  readonly #byRequest = new Map<string, string>();
  readonly #byDevice = new Map<string, Set<string>>();
  /** Timed grants by kernel element: several may share one, which lasts as long as the longest. */
  readonly #timed = new Map<string, Set<string>>();
  /** Single-use grants by source. */
  readonly #armed = new Map<string, Set<string>>();
  #pruned = 0;

  constructor(firewall: Firewall, store: Store, random: Random, onError: (error: string) => void) {
    this.#firewall = firewall;
    this.#store = store;
    this.#random = random;
    this.#onError = onError;
  }

  /** The grant that this request already got, also when it ended meanwhile. */
  ofRequest(device: DeviceId, request: RequestId): Grant | undefined {
    const id = this.#byRequest.get(device + request);
    return id === undefined ? undefined : this.#grants.get(id);
  }

  /** Opens: the kernel has the grant when this returns. */
  open(wanted: Wanted, now: UnixMicros): Result<Grant, GrantRefusal> {
    this.#prune(now);
    const base = {
      id: toHex(this.#random(8)),
      request: wanted.request,
      device: wanted.device,
      service: wanted.service,
      source: wanted.source,
      endpoints: wanted.endpoints,
      created: now,
      ends: (now + wanted.seconds * MICROS_PER_SECOND) as UnixMicros,
    };
    return wanted.singleUse ? this.#arm(base, now) : this.#set(base, now);
  }

  /** Lets the device's live grant of this service from this source last for `seconds` from now, never shorter than it does. */
  extend(wanted: Wanted, now: UnixMicros): Result<Grant, GrantRefusal | 'nothing-to-extend'> {
    const ends = (now + wanted.seconds * MICROS_PER_SECOND) as UnixMicros;
    for (const grant of this.#of(wanted.device, wanted.service, now)) {
      if (!sameSource(grant.source, wanted.source)) continue;
      if (grant.ends >= ends) return accept(grant);
      const extended = { ...grant, ends };
      const applied = this.#firewall.apply(
        grant.endpoints.map((endpoint): Change => {
          const common = { source: grant.source, endpoint, id: grant.id };
          if (grant.slot !== undefined)
            return { ...common, kind: 'rearm', slot: grant.slot, seconds: secondsUntil(ends, now) };
          return { ...common, kind: 'set', seconds: secondsUntil(this.#latest(extended, endpoint), now) };
        }),
      );
      if (applied.ok) {
        this.#keep(extended);
        return accept(extended);
      }
      // used up meanwhile: this one is over, the device may have another
      if (applied.reason === 'missing') this.#forget(grant);
      else return refuse(this.#refusal(applied));
    }
    return refuse('nothing-to-extend');
  }

  /** Ends all grants of a device for a service (all services when undefined), whatever their source. Returns how many. */
  close(device: DeviceId, service: ServiceName | undefined, now: UnixMicros): number {
    const mine = this.#of(device, service, now);
    for (const grant of mine) this.#end(grant, now);
    return mine.length;
  }

  /** Ends one grant by its id; false when none of that id is live. */
  end(id: string, now: UnixMicros): boolean {
    const grant = this.#grants.get(id);
    if (grant === undefined || grant.ends <= now) return false;
    this.#end(grant, now);
    return true;
  }

  /** The grants that have not run out; single-use ones may have been used meanwhile (the kernel knows: {@link Firewall.list}). */
  live(now: UnixMicros): Grant[] {
    return [...this.#grants.values()].filter((grant) => grant.ends > now);
  }

  /** Whether a grant of this service was made at `since` or later; known for five minutes, and as long as the grant lasts. */
  grantedSince(service: ServiceName, since: UnixMicros): boolean {
    for (const grant of this.#grants.values()) if (grant.service === service && grant.created >= since) return true;
    return false;
  }

  /** After a restart: what the kernel still holds is ours again, with what the record says about it. */
  adopt(now: UnixMicros): { adopted: number; unknown: number } {
    const records = new Map(this.#store.grants().map((record) => [record.id, record]));
    const held = new Map<string, Grant>();
    for (const opening of this.#firewall.list().openings) {
      const id = opening.id ?? `unknown-${elementKey(opening.source, opening.endpoint)}`;
      const ends = Math.max(held.get(id)?.ends ?? 0, now + opening.remaining * 1000) as UnixMicros;
      const record = records.get(id);
      const endpoints = [...(held.get(id)?.endpoints ?? []), opening.endpoint];
      held.set(id, {
        id,
        request: record?.request ?? (id as RequestId),
        device: record?.device,
        service: record?.service,
        source: opening.source,
        endpoints,
        created: record?.created ?? now,
        ends,
        slot: opening.slot,
      });
    }
    let unknown = 0;
    for (const grant of held.values()) {
      if (!records.delete(grant.id)) unknown++;
      this.#index(grant);
    }
    // Of grants that shared a kernel element only the last is named there; a timed one whose element still lasts is live.
    for (const record of records.values()) {
      const grant = restore(record);
      const shared = grant.endpoints.every((endpoint) => this.#timed.has(elementKey(grant.source, endpoint)));
      if (grant.slot === undefined && grant.ends > now && shared) this.#index(grant);
      else if (grant.created + REMEMBERED > now)
        this.#index({ ...grant, ends: Math.min(grant.ends, now) as UnixMicros });
      else this.#store.dropGrant(record.id);
    }
    return { adopted: held.size, unknown };
  }

  #set(grant: Omit<Grant, 'slot'>, now: UnixMicros): Result<Grant, GrantRefusal> {
    const applied = this.#firewall.apply(
      grant.endpoints.map((endpoint) => ({
        kind: 'set',
        source: grant.source,
        endpoint,
        id: grant.id,
        seconds: secondsUntil(this.#latest({ ...grant, slot: undefined }, endpoint), now),
      })),
    );
    if (!applied.ok) return refuse(this.#refusal(applied));
    const opened = { ...grant, slot: undefined };
    this.#keep(opened);
    return accept(opened);
  }

  #arm(grant: Omit<Grant, 'slot'>, now: UnixMicros): Result<Grant, GrantRefusal> {
    const siblings = [...(this.#armed.get(toHex(grant.source.address)) ?? [])]
      .map((id) => this.#grants.get(id))
      .filter((other) => other !== undefined);
    const occupied = new Map(siblings.filter((other) => other.ends > now).map((other) => [other.slot, other]));
    // Places that we believe armed come last: one that was used is free again, and only the kernel knows.
    const places = Array.from({ length: ONCE_SLOTS }, (_, slot) => slot);
    for (const slot of [...places.filter((p) => !occupied.has(p)), ...places.filter((p) => occupied.has(p))]) {
      const applied = this.#firewall.apply(
        grant.endpoints.map((endpoint) => ({
          kind: 'arm',
          source: grant.source,
          endpoint,
          id: grant.id,
          seconds: secondsUntil(grant.ends, now),
          slot,
        })),
      );
      if (applied.ok) {
        const used = occupied.get(slot);
        if (used !== undefined) this.#over(used, now);
        const opened = { ...grant, slot };
        this.#keep(opened);
        return accept(opened);
      }
      if (applied.reason !== 'taken') return refuse(this.#refusal(applied));
    }
    return refuse('full');
  }

  #end(grant: Grant, now: UnixMicros): void {
    const over = this.#over(grant, now);
    const changes = grant.endpoints.map((endpoint): Change => {
      const { source, slot } = grant;
      if (slot !== undefined) return { kind: 'disarm', source, endpoint, slot };
      const ends = this.#latest(over, endpoint);
      return ends > now
        ? { kind: 'set', source, endpoint, seconds: secondsUntil(ends, now), id: grant.id }
        : { kind: 'unset', source, endpoint };
    });
    const applied = this.#firewall.apply(changes);
    if (!applied.ok) this.#refusal(applied);
  }

  /** When the kernel element of a timed grant must end: with the last of those who share it. */
  #latest(grant: Grant, endpoint: Endpoint): UnixMicros {
    let latest = grant.ends;
    for (const id of this.#timed.get(elementKey(grant.source, endpoint)) ?? []) {
      const other = this.#grants.get(id);
      if (other !== undefined && id !== grant.id && other.ends > latest) latest = other.ends;
    }
    return latest;
  }

  #of(device: DeviceId, service: ServiceName | undefined, now: UnixMicros): Grant[] {
    return [...(this.#byDevice.get(device) ?? [])]
      .map((id) => this.#grants.get(id))
      .filter((grant) => grant !== undefined)
      .filter((grant) => grant.ends > now && (service === undefined || grant.service === service));
  }

  /** Marks a grant as ended; it is still remembered for late retries. */
  #over(grant: Grant, now: UnixMicros): Grant {
    const over = { ...grant, ends: now };
    this.#keep(over);
    return over;
  }

  #keep(grant: Grant): void {
    this.#index(grant);
    if (grant.device === undefined || grant.service === undefined) return;
    this.#store.putGrant({
      id: grant.id,
      request: grant.request,
      device: grant.device,
      service: grant.service,
      family: grant.source.family,
      address: grant.source.address,
      prefix: grant.source.prefix,
      endpoints: grant.endpoints.map(formatEndpoint).join(' '),
      created: grant.created,
      ends: grant.ends,
      slot: grant.slot,
    });
  }

  #index(grant: Grant): void {
    this.#grants.set(grant.id, grant);
    if (grant.device !== undefined) this.#byRequest.set(grant.device + grant.request, grant.id);
    for (const [index, key] of this.#places(grant)) {
      const ids = index.get(key);
      if (ids === undefined) index.set(key, new Set([grant.id]));
      else ids.add(grant.id);
    }
  }

  #places(grant: Grant): [Map<string, Set<string>>, string][] {
    const places: [Map<string, Set<string>>, string][] =
      grant.slot === undefined
        ? grant.endpoints.map((endpoint) => [this.#timed, elementKey(grant.source, endpoint)])
        : [[this.#armed, toHex(grant.source.address)]];
    if (grant.device !== undefined) places.push([this.#byDevice, grant.device]);
    return places;
  }

  #forget(grant: Grant): void {
    this.#grants.delete(grant.id);
    if (grant.device !== undefined) this.#byRequest.delete(grant.device + grant.request);
    for (const [index, key] of this.#places(grant)) {
      const ids = index.get(key);
      ids?.delete(grant.id);
      if (ids?.size === 0) index.delete(key);
    }
    this.#store.dropGrant(grant.id);
  }

  /** Forgets what ended long ago, at most once a minute, so that the book is bounded by what was granted in the last minutes. */
  #prune(now: UnixMicros): void {
    if (now - this.#pruned < 60 * MICROS_PER_SECOND && now >= this.#pruned) return;
    this.#pruned = now;
    for (const grant of [...this.#grants.values()]) {
      if (grant.ends <= now && grant.created + REMEMBERED <= now) this.#forget(grant);
    }
  }

  #refusal(applied: Extract<Applied, { ok: false }>): GrantRefusal {
    if (applied.reason === 'full') return 'full';
    this.#onError(applied.reason === 'error' ? applied.error : applied.reason);
    return 'failed';
  }
}

function restore(record: StoredGrant): Grant {
  return {
    id: record.id,
    request: record.request,
    device: record.device,
    service: record.service,
    source: { family: record.family, address: record.address, prefix: record.prefix },
    endpoints: parseEndpoints(record.endpoints),
    created: record.created,
    ends: record.ends,
    slot: record.slot,
  };
}
