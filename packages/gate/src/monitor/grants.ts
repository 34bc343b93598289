import {
  MICROS_PER_SECOND,
  accept,
  refuse,
  toHex,
  type Random,
  type RequestId,
  type Result,
  type Seconds,
  type ServiceName,
  type UnixMicros,
} from '@postern/protocol';
import type { Forward } from '../config/model.ts';
import { ONCE_SLOTS, type Applied, type Change, type Endpoint, type Firewall, type Source } from '../firewall/port.ts';
import { adopt } from './adoption.ts';
import { elementKey, formatEndpoint, grantOf, leadAlike, recordOf, sameSource, targetOf, type Grant } from './grant.ts';
import type { Holder } from './holder.ts';
import type { Store } from './store.ts';
import type { Steps } from './leisure.ts';
import { messageOf } from './log.ts';

/** What a grant is asked for with. */
export interface Wanted {
  readonly request: RequestId;
  readonly device: Holder;
  /** Undefined for endpoints of no service. */
  readonly service: ServiceName | undefined;
  readonly source: Source;
  readonly endpoints: readonly Endpoint[];
  readonly seconds: Seconds;
  readonly singleUse: boolean;
  /** Where the service lives, when not on this host; of the source's family. */
  readonly target?: Forward | undefined;
}

/** What the state keeps of grants. */
export type GrantRecords = Pick<Store, 'putGrant' | 'dropGrant' | 'grants'>;

/** How long an ended grant is remembered, so that a late retry of its request gets the same answer instead of a second grant. */
const REMEMBERED = 300 * MICROS_PER_SECOND;
/** The most ended grants that are remembered. A client retries for 12 s: up to 340 grants a second all retries find what they got. */
const MOST_ENDED = 4096;
/** The most live grants of one device: no device fills the kernel's sets. */
const MOST_GRANTS = 4096;
/** The most places that one device may have armed for one source and endpoint; the rest is for its neighbours behind the same address. */
const MOST_PLACES = 24;
/** When a grant is made, so many are looked at, and at most so many forgotten. */
const [LOOKS, FORGETS] = [64, 4] as const;
/** A clock that is off by so much from where it was has been set. */
const SET = MICROS_PER_SECOND;

/** `full`: the kernel's sets, or the 32 single-use places of this source, hold no more. `failed`: the firewall refused; see the log. */
export type GrantRefusal = 'full' | 'failed';

function secondsUntil(ends: UnixMicros, now: UnixMicros): Seconds {
  return Math.max(1, Math.ceil((ends - now) / MICROS_PER_SECOND)) as Seconds;
}

/** The gate's book of grants over the firewall that holds them. */
export class GrantBook {
  readonly #firewall: Pick<Firewall, 'apply' | 'list'>;
  readonly #records: GrantRecords;
  readonly #random: Random;
  readonly #onError: (what: string, error: string) => void;
  readonly #clockAhead: (() => number) | undefined;
  readonly #grants = new Map<string, Grant>();
  readonly #byRequest = new Map<string, string>();
  readonly #byDevice = new Map<string, Set<string>>();
  /** Timed grants by kernel element: several may share one, which lasts as long as the longest. */
  readonly #timed = new Map<string, Set<string>>();
  /** Single-use grants by source and endpoint. */
  readonly #armed = new Map<string, Set<string>>();
  /** When a grant of each service was made last. */
  readonly #latest = new Map<ServiceName, UnixMicros>();
  /** Where the look for what ended is. */
  #looking: MapIterator<Grant> | undefined;
  /** Grants that were seen to have ended, by when that was seen. */
  readonly #ended = new Set<string>();
  #renewal = 0;
  /** Grants whose records the clock was set after. */
  readonly #unrecorded = new Set<string>();
  #ahead: number | undefined;

  /** @param clockAhead - microseconds from time as the kernel counts it, which nobody can set, to the clock; without it the clock is taken never to be set */
  constructor(
    firewall: Pick<Firewall, 'apply' | 'list'>,
    records: GrantRecords,
    random: Random,
    onError: (what: string, error: string) => void,
    clockAhead?: () => number,
  ) {
    this.#firewall = firewall;
    this.#records = records;
    this.#random = random;
    this.#onError = onError;
    this.#clockAhead = clockAhead;
  }

  /** The grant that this request already got, also when it ended meanwhile. */
  ofRequest(device: Holder, request: RequestId): Grant | undefined {
    const id = this.#byRequest.get(device + request);
    return id === undefined ? undefined : this.#grants.get(id);
  }

  /** Opens: the kernel has the grant when this returns. */
  open(wanted: Wanted, now: UnixMicros): Result<Grant, GrantRefusal> {
    this.#follow();
    if (this.#of(wanted.device, undefined, now).length >= MOST_GRANTS) return refuse('full');
    const grant = {
      id: toHex(this.#random(8)),
      request: wanted.request,
      device: wanted.device,
      service: wanted.service,
      source: wanted.source,
      endpoints: wanted.endpoints,
      created: now,
      ends: (now + wanted.seconds * MICROS_PER_SECOND) as UnixMicros,
      target: wanted.target,
    };
    this.#displace(grant, now);
    const opened = wanted.singleUse ? this.#arm(grant, now) : this.#set({ ...grant, slot: undefined }, now);
    this.#prune(now);
    return opened;
  }

  /** Lets the device's live grant of this service from this source last for `seconds` from now, never shorter than it does. */
  extend(wanted: Wanted, now: UnixMicros): Result<Grant, GrantRefusal | 'nothing-to-extend'> {
    this.#follow();
    const ends = (now + wanted.seconds * MICROS_PER_SECOND) as UnixMicros;
    for (const grant of this.#of(wanted.device, wanted.service, now)) {
      if (!sameSource(grant.source, wanted.source)) continue;
      const extended = { ...grant, ends: Math.max(grant.ends, ends) as UnixMicros, target: wanted.target };
      this.#displace(extended, now);
      const done = grant.slot === undefined ? this.#set(extended, now) : this.#rearm(extended, grant.slot, now);
      // Used up meanwhile; the device may have another.
      if (done !== undefined) return done;
    }
    return refuse('nothing-to-extend');
  }

  /** Ends all grants of a device for a service (all services when undefined), whatever their source. Returns how many. */
  close(device: Holder, service: ServiceName | undefined, now: UnixMicros): number {
    this.#follow();
    const mine = this.#of(device, service, now);
    for (const grant of mine) this.#end(grant, now);
    return mine.length;
  }

  /** Ends one grant by its id; false when none of that id is live. */
  end(id: string, now: UnixMicros): boolean {
    this.#follow();
    const grant = this.#grants.get(id);
    if (grant === undefined || grant.ends <= now) return false;
    this.#end(grant, now);
    return true;
  }

  /** Undoes a grant whose request could not be recorded: ends it and forgets it, so that a retry of the request gets another one. */
  takeBack(grant: Grant, now: UnixMicros): void {
    this.#follow();
    const held = this.#grants.get(grant.id);
    if (held === undefined) return;
    this.#erase(held);
    // Nobody has shown by it that he can get in.
    if (held.service !== undefined && this.#latest.get(held.service) === held.created)
      this.#latest.delete(held.service);
    this.#release(held, now);
    try {
      this.#records.dropGrant(held.id);
    } catch {
      // The disk is in trouble; that was told.
    }
  }

  /** A grant that has not run out. */
  get(id: string, now: UnixMicros): Grant | undefined {
    this.#follow();
    const grant = this.#grants.get(id);
    return grant !== undefined && grant.ends > now ? grant : undefined;
  }

  /** The grants of a holder that have not run out. */
  heldBy(holder: Holder, now: UnixMicros): Grant[] {
    this.#follow();
    return this.#of(holder, undefined, now);
  }

  /** Whoever holds a grant, or held one that is remembered. */
  holders(): Iterable<Holder> {
    return this.#byDevice.keys() as Iterable<string> as Iterable<Holder>;
  }

  /** Whether any grant that has not run out is such a one. */
  some(is: (grant: Grant) => boolean, now: UnixMicros): boolean {
    this.#follow();
    for (const grant of this.#grants.values()) if (grant.ends > now && is(grant)) return true;
    return false;
  }

  /**
   * The grants that have not run out when they are given, one after the other; undefined is a step without one. What is made, changed or ended meanwhile
   * disturbs nothing, and what is made may be left out.
   */
  *each(clock: () => UnixMicros): Generator<Grant | undefined, undefined, undefined> {
    for (const id of this.#grants.keys()) yield this.get(id, clock());
  }

  /** All at once: the grants that have not run out; single-use ones may have been used meanwhile (the kernel knows: {@link Firewall.list}). */
  live(now: UnixMicros): Grant[] {
    this.#follow();
    return [...this.#grants.values()].filter((grant) => grant.ends > now);
  }

  /** Whether a grant of this service, that is remembered or was made since the start, was made at `since` or later. */
  grantedSince(service: ServiceName, since: UnixMicros): boolean {
    return (this.#latest.get(service) ?? -Infinity) >= since;
  }

  /**
   * After the ruleset was lost: gives the kernel every live grant again but single-use ones, of which nobody knows any more whether they were used. In
   * steps, of which the result is how many.
   */
  renew(clock: () => UnixMicros): Steps<number> {
    // Now: what is armed from here on is not lost.
    return this.#renew(this.live(clock()), ++this.#renewal, clock);
  }

  *#renew(lost: readonly Grant[], renewal: number, clock: () => UnixMicros): Generator<undefined, number, undefined> {
    let renewed = 0;
    for (const { id } of lost) {
      // Lost once more meanwhile: another begins at the beginning.
      if (renewal !== this.#renewal) break;
      const now = clock();
      const grant = this.get(id, now);
      if (grant?.slot !== undefined) this.#over(grant, now);
      else if (grant !== undefined && this.#set(grant, now).ok) renewed++;
      yield undefined;
    }
    return renewed;
  }

  /** Whether there is something to {@link record}. */
  get behind(): boolean {
    return this.#unrecorded.size > 0;
  }

  /** Brings the records up to the book after the clock was set, in steps. Where one cannot be written, the others wait, too. */
  *record(): Generator<undefined, undefined, undefined> {
    for (const id of this.#unrecorded) {
      const grant = this.#grants.get(id);
      if (grant === undefined) this.#unrecorded.delete(id);
      else if (!this.#record(grant)) return;
      yield undefined;
    }
  }

  /** After a restart: what the kernel still holds is ours again, with what the record says about it. */
  adopt(now: UnixMicros): { adopted: number; unknown: number } {
    this.#follow();
    const { live, over, unknown } = adopt(this.#firewall.list().openings, this.#records.grants().map(grantOf), now);
    for (const grant of live) this.#index(grant);
    for (const grant of over) {
      this.#index(grant);
      if (grant.ends + REMEMBERED <= now) this.#forget(grant);
    }
    return { adopted: live.length, unknown };
  }

  /** Sets the elements of a timed grant, each for as long as the longest grant that shares it. */
  #set(grant: Grant, now: UnixMicros): Result<Grant, GrantRefusal> {
    const applied = this.#firewall.apply(grant.endpoints.map((endpoint) => this.#element(grant, endpoint, now)));
    if (!applied.ok) return refuse(this.#refusal(applied));
    this.#keep(grant);
    return accept(grant);
  }

  #arm(grant: Omit<Grant, 'slot'>, now: UnixMicros): Result<Grant, GrantRefusal> {
    const { source, endpoints, id } = grant;
    const remembered = this.#sharing(this.#armed, grant);
    const fresh = remembered.length === 0;
    const siblings = remembered.filter((other) => other.ends > now);
    const believed = (slot: number): boolean => siblings.some((other) => other.slot === slot);
    const own = siblings.filter((other) => other.device === grant.device).flatMap(({ slot }) => slot ?? []);
    const slots = Array.from({ length: ONCE_SLOTS }, (_, slot) => slot);
    // Places that we believe armed come last: one that was used is free again, and only the kernel knows.
    const order = [...slots.filter((it) => !believed(it)), ...slots.filter(believed)];
    for (const slot of own.length >= MOST_PLACES ? own : order) {
      const seconds = secondsUntil(grant.ends, now);
      const applied = this.#firewall.apply(
        endpoints.map((endpoint) => {
          const target = targetOf(grant, endpoint);
          return { kind: 'arm', source, endpoint, id, seconds, slot, target, fresh };
        }),
      );
      if (applied.ok) {
        for (const other of siblings) if (other.slot === slot) this.#used(other, endpoints, now);
        const armed = { ...grant, slot };
        this.#keep(armed);
        return accept(armed);
      }
      if (applied.reason !== 'taken') return refuse(this.#refusal(applied));
    }
    return refuse('full');
  }

  /** Gives a single-use grant its new end; undefined when it was used up. Each of its endpoints may have been used by itself. */
  #rearm(grant: Grant, slot: number, now: UnixMicros): Result<Grant, GrantRefusal> | undefined {
    const { source, id } = grant;
    const seconds = secondsUntil(grant.ends, now);
    const used: Endpoint[] = [];
    for (const endpoint of grant.endpoints) {
      const target = targetOf(grant, endpoint);
      const applied = this.#firewall.apply([{ kind: 'rearm', source, endpoint, id, seconds, slot, target }]);
      if (applied.ok) continue;
      if (applied.reason !== 'missing') return refuse(this.#refusal(applied));
      used.push(endpoint);
    }
    const left = this.#used(grant, used, now);
    return left === undefined ? undefined : accept(left);
  }

  /** A source's endpoint leads to one place: ends the grants that lead elsewhere. */
  #displace(grant: Omit<Grant, 'slot'>, now: UnixMicros): void {
    for (const other of [...this.#sharing(this.#timed, grant), ...this.#sharing(this.#armed, grant)]) {
      if (other.id === grant.id || other.ends <= now) continue;
      if (!grant.endpoints.every((endpoint) => leadAlike(grant, other, endpoint))) this.#end(other, now);
    }
  }

  #end(grant: Grant, now: UnixMicros): void {
    this.#over(grant, now);
    this.#release(grant, now);
  }

  /** Takes a grant that the book has no more, or as ended, out of the kernel. */
  #release(grant: Grant, now: UnixMicros): void {
    const over = { ...grant, ends: now };
    const { source, slot } = grant;
    const applied = this.#firewall.apply(
      grant.endpoints.map((endpoint): Change =>
        slot === undefined ? this.#element(over, endpoint, now) : { kind: 'disarm', source, endpoint, slot },
      ),
    );
    if (!applied.ok) this.#refusal(applied);
  }

  /** What the kernel's element of a timed grant must be: it ends with the last of those who share it, and bears that one's id. */
  #element(grant: Grant, endpoint: Endpoint, now: UnixMicros): Change {
    const { source } = grant;
    let last = grant;
    const sharing = this.#timed.get(elementKey(source, endpoint));
    for (const id of sharing ?? []) {
      const other = this.#grants.get(id);
      if (other !== undefined && id !== grant.id && other.ends > last.ends) last = other;
    }
    if (last.ends <= now) return { kind: 'unset', source, endpoint };
    const target = targetOf(grant, endpoint);
    const fresh = sharing === undefined;
    return { kind: 'set', source, endpoint, seconds: secondsUntil(last.ends, now), id: last.id, target, fresh };
  }

  /** What is left of a single-use grant when these endpoints of it were used. */
  #used(grant: Grant, used: readonly Endpoint[], now: UnixMicros): Grant | undefined {
    const gone = new Set(used.map(formatEndpoint));
    const left = { ...grant, endpoints: grant.endpoints.filter((endpoint) => !gone.has(formatEndpoint(endpoint))) };
    if (left.endpoints.length === 0) {
      this.#over(grant, now);
      return undefined;
    }
    this.#unindex(grant);
    this.#keep(left);
    return left;
  }

  /** The grants in an index that share an element with this one. */
  #sharing(index: ReadonlyMap<string, ReadonlySet<string>>, { source, endpoints }: Omit<Grant, 'slot'>): Grant[] {
    const ids = new Set(endpoints.flatMap((endpoint) => [...(index.get(elementKey(source, endpoint)) ?? [])]));
    return [...ids].map((id) => this.#grants.get(id)).filter((grant) => grant !== undefined);
  }

  #of(device: Holder, service: ServiceName | undefined, now: UnixMicros): Grant[] {
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
    this.#record(grant);
  }

  #record(grant: Grant): boolean {
    const record = recordOf(grant);
    if (record !== undefined && !this.#write(() => this.#records.putGrant(record))) return false;
    this.#unrecorded.delete(grant.id);
    return true;
  }

  #index(grant: Grant): void {
    this.#grants.set(grant.id, grant);
    if (grant.service !== undefined)
      this.#latest.set(grant.service, Math.max(this.#latest.get(grant.service) ?? 0, grant.created) as UnixMicros);
    if (grant.device !== undefined) this.#byRequest.set(grant.device + grant.request, grant.id);
    for (const [index, key] of this.#places(grant)) {
      const ids = index.get(key);
      if (ids === undefined) index.set(key, new Set([grant.id]));
      else ids.add(grant.id);
    }
  }

  #unindex(grant: Grant): void {
    for (const [index, key] of this.#places(grant)) {
      const ids = index.get(key);
      ids?.delete(grant.id);
      if (ids?.size === 0) index.delete(key);
    }
  }

  #places({ slot, source, endpoints, device }: Grant): [Map<string, Set<string>>, string][] {
    const index = slot === undefined ? this.#timed : this.#armed;
    const places = endpoints.map((endpoint): [Map<string, Set<string>>, string] => [
      index,
      elementKey(source, endpoint),
    ]);
    return device === undefined ? places : [...places, [this.#byDevice, device]];
  }

  /** Takes a grant out of the book. */
  #erase(grant: Grant): void {
    this.#unindex(grant);
    this.#grants.delete(grant.id);
    this.#unrecorded.delete(grant.id);
    this.#ended.delete(grant.id);
    if (grant.device !== undefined) this.#byRequest.delete(grant.device + grant.request);
  }

  #forget(grant: Grant): void {
    this.#erase(grant);
    this.#write(() => this.#records.dropGrant(grant.id));
  }

  /** The kernel has the grant, and ends it, also when a full disk does not take the record: then a restart will not know whose it is. */
  #write(work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      this.#onError('what is known of a grant could not be recorded', messageOf(error));
      return false;
    }
  }

  /**
   * Looks at a few grants for what ended: that is in no index any more, and forgotten when it ended long ago or is too much. More are looked at, and more
   * can be forgotten, than are made, so the book is bounded by what is live; and however many end together, no knock waits for all of them.
   */
  #prune(now: UnixMicros): void {
    let forgotten = 0;
    for (let looked = 0; looked < LOOKS && forgotten < FORGETS; looked++) {
      this.#looking ??= this.#grants.values();
      const next = this.#looking.next();
      if (next.done === true) {
        this.#looking = undefined;
        return;
      }
      const grant = next.value;
      if (grant.ends > now) continue;
      if (grant.ends + REMEMBERED <= now) {
        this.#forget(grant);
        forgotten++;
        continue;
      }
      // It shares nothing any more; the next grant of its device or source need not pass it.
      this.#unindex(grant);
      this.#ended.add(grant.id);
      const [oldest] = this.#ended.size > MOST_ENDED ? this.#ended : [];
      const first = oldest === undefined ? undefined : this.#grants.get(oldest);
      if (first === undefined) continue;
      this.#forget(first);
      forgotten++;
    }
  }

  /**
   * When the clock was set, what the book says about ends is set with it: the kernel goes on counting. The records follow ({@link record}); a restart
   * before they did believes the kernel.
   */
  #follow(): void {
    if (this.#clockAhead === undefined) return;
    const ahead = this.#clockAhead();
    const step = ahead - (this.#ahead ?? ahead);
    this.#ahead ??= ahead;
    if (Math.abs(step) < SET) return;
    this.#ahead = ahead;
    for (const grant of this.#grants.values()) {
      this.#grants.set(grant.id, { ...grant, ends: (grant.ends + step) as UnixMicros });
      this.#unrecorded.add(grant.id);
    }
    for (const [service, made] of this.#latest) this.#latest.set(service, (made + step) as UnixMicros);
  }

  #refusal(applied: Extract<Applied, { ok: false }>): GrantRefusal {
    if (applied.reason === 'full') return 'full';
    this.#onError('the firewall refused a grant', applied.reason === 'error' ? applied.error : applied.reason);
    return 'failed';
  }
}
