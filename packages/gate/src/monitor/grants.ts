import {
  MICROS_PER_SECOND,
  accept,
  fullPrefix,
  refuse,
  toHex,
  type Random,
  type RequestId,
  type Result,
  type Seconds,
  type ServiceName,
  type UnixMicros,
} from '@postern/protocol';
import { sameEndpoint } from '../config/endpoint.ts';
import type { Forward } from '../config/model.ts';
import { ONCE_SLOTS, type Applied, type Change, type Endpoint, type Firewall, type Source } from '../firewall/port.ts';
import { adopt } from './adoption.ts';
import { Deadlines } from './deadlines.ts';
import { KeptSource, elementKey, grantOf, leadAlike, recordOf, sameSource, targetOf, type Grant } from './grant.ts';
import type { Holder } from './holder.ts';
import { IdIndex } from './id-index.ts';
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
/** When a grant is made, at most so many are noticed to have ended, and so many forgotten and taken out of the kernel. */
const [NOTICES, FORGETS] = [64, 4] as const;
/**
 * With so many grants the kernel is given some milliseconds more for each, and what ended is taken out when the next one is made. While the ruleset
 * changes a thousand times in a second, the kernel does not get to collect what ended in a large set, until that is full (decision 0017).
 */
const [CROWD, GRACE] = [1024, 250] as const;
/** What is left of that must be more, in milliseconds, for the kernel not to end it meanwhile. */
const LEEWAY = 50;
/** A clock that is off by so much from where it was has been set. */
const SET = MICROS_PER_SECOND;

/** `full`: the kernel's sets, or the 32 single-use places of this source, hold no more. `failed`: the firewall refused; see the log. */
export type GrantRefusal = 'full' | 'failed';

/** Whether a grant has such an element. */
function isAt(grant: Grant, source: Source, endpoint: Endpoint): boolean {
  return sameSource(grant.source, source) && grant.endpoints.some((own) => sameEndpoint(own, endpoint));
}

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
  readonly #byRequest = new IdIndex();
  /** Until they are noticed to have ended, grants are in these two, too: by device, and by source and endpoint. */
  readonly #byDevice = new IdIndex();
  readonly #byElement = new IdIndex();
  /** When a grant of each service was made last. */
  readonly #latest = new Map<ServiceName, UnixMicros>();
  /** When which grant has to be looked at. One that was extended meanwhile is entered again. */
  #deadlines = new Deadlines();
  /** Grants that were noticed to have ended, by when that was. */
  readonly #ended = new Set<string>();
  /** Those of them that the kernel holds still, until the next grant takes them out. */
  #leaving: Grant[] = [];
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
    return this.#named(this.#byRequest.of(request)).find((grant) => grant.device === device);
  }

  /** Opens: the kernel has the grant when this returns. */
  open(wanted: Wanted, now: UnixMicros): Result<Grant, GrantRefusal> {
    this.#follow();
    if (this.#of(wanted.device, undefined, now).length >= MOST_GRANTS) return refuse('full');
    const grant: Grant = {
      id: toHex(this.#random(8)),
      request: wanted.request,
      device: wanted.device,
      service: wanted.service,
      source: new KeptSource(wanted.source),
      endpoints: wanted.endpoints,
      created: now,
      ends: (now + wanted.seconds * MICROS_PER_SECOND) as UnixMicros,
      slot: undefined,
      target: wanted.target,
      held: wanted.singleUse ? undefined : this.#heldUntil(wanted, wanted.seconds, now),
    };
    this.#notice(now);
    this.#displace(grant, now);
    return wanted.singleUse ? this.#arm(grant, now) : this.#set(grant, now);
  }

  /** Lets the device's live grant of this service from this source last for `seconds` from now, never shorter than it does. */
  extend(wanted: Wanted, now: UnixMicros): Result<Grant, GrantRefusal | 'nothing-to-extend'> {
    this.#follow();
    const ends = (now + wanted.seconds * MICROS_PER_SECOND) as UnixMicros;
    for (const grant of this.#of(wanted.device, wanted.service, now)) {
      if (!sameSource(grant.source, wanted.source)) continue;
      const longer = { ...grant, ends: Math.max(grant.ends, ends) as UnixMicros, target: wanted.target };
      const extended = this.#lasting(longer, now);
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

  /** Whoever holds a grant. */
  holders(): Iterable<Holder> {
    return this.#byDevice.keys() as Iterable<Holder>;
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
      else if (grant !== undefined && this.#set(this.#lasting(grant, now), now).ok) renewed++;
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
    const { openings } = this.#firewall.list();
    const { live, over, unknown } = adopt(openings, this.#records.grants().map(grantOf), now, this.#kernelTime(now));
    for (const grant of live) this.#index({ ...grant, source: new KeptSource(grant.source) });
    for (const grant of over) {
      this.#index({ ...grant, source: new KeptSource(grant.source) });
      if (grant.ends + REMEMBERED <= now) this.#forget(grant);
    }
    return { adopted: live.length, unknown };
  }

  /** Sets the elements of a timed grant, each for as long as the longest grant that shares it, and takes out some of what ended. */
  #set(grant: Grant, now: UnixMicros): Result<Grant, GrantRefusal> {
    const out = this.#takeOut(now);
    // First what makes room.
    const applied = this.#firewall.apply([
      ...out.flatMap((other) => this.#alone(other, grant)),
      ...grant.endpoints.map((endpoint) => this.#element(grant, endpoint, now)),
    ]);
    if (!applied.ok) return refuse(this.#refusal(applied));
    this.#leaving.splice(0, out.length);
    this.#keep(grant);
    return accept(grant);
  }

  /** The first of those that are to be taken out, which the kernel holds for a moment still. */
  #takeOut(now: UnixMicros): readonly Grant[] {
    if (this.#leaving.length === 0) return this.#leaving;
    const soon = this.#kernelTime(now) + LEEWAY * 1000;
    this.#leaving = this.#leaving.filter(({ held = 0 }) => held > soon);
    return this.#leaving.slice(0, FORGETS);
  }

  /** Takes out of the kernel what only such a grant, which ended, was for; not what is set for the next one. */
  #alone({ source, endpoints }: Grant, next: Grant): Change[] {
    return endpoints.flatMap((endpoint): Change[] => {
      const sharing = this.#named(this.#byElement.of(elementKey(source, endpoint)));
      const shared = sharing.some(({ slot }) => slot === undefined) || isAt(next, source, endpoint);
      return shared ? [] : [{ kind: 'unset', source, endpoint, held: true }];
    });
  }

  #arm(grant: Grant, now: UnixMicros): Result<Grant, GrantRefusal> {
    const { source, endpoints, id } = grant;
    const remembered = this.#sharing(grant).filter(({ slot }) => slot !== undefined);
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
  #displace(grant: Grant, now: UnixMicros): void {
    for (const other of this.#sharing(grant)) {
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
    // What has just ended may be for this very source.
    let [last, fresh] = [grant, !this.#leaving.some((other) => isAt(other, source, endpoint))];
    for (const other of this.#named(this.#byElement.of(elementKey(source, endpoint)))) {
      if (other.slot !== undefined) continue;
      fresh = false;
      if (other.id !== grant.id && other.ends > last.ends) last = other;
    }
    if (last.ends <= now) return { kind: 'unset', source, endpoint };
    const target = targetOf(grant, endpoint);
    const grace = last.held === undefined ? 0 : GRACE;
    const seconds = secondsUntil(last.ends, now);
    return { kind: 'set', source, endpoint, seconds, id: last.id, target, fresh, grace };
  }

  /** What is left of a single-use grant when these endpoints of it were used. */
  #used(grant: Grant, used: readonly Endpoint[], now: UnixMicros): Grant | undefined {
    const endpoints = grant.endpoints.filter((endpoint) => !used.some((other) => sameEndpoint(endpoint, other)));
    if (endpoints.length === 0) {
      this.#over(grant, now);
      return undefined;
    }
    if (endpoints.length === grant.endpoints.length) {
      this.#keep(grant);
      return grant;
    }
    const left = { ...grant, endpoints };
    this.#unindex(grant);
    this.#enter(left);
    this.#keep(left);
    return left;
  }

  /** The grants that share an element with this one; it is among them when it is in the book. */
  #sharing({ source, endpoints }: Pick<Grant, 'source' | 'endpoints'>): Grant[] {
    const ids = endpoints.map((endpoint) => this.#byElement.of(elementKey(source, endpoint)));
    return this.#named(ids.length === 1 ? (ids[0] ?? []) : new Set(ids.flatMap((some) => [...some])));
  }

  #named(ids: Iterable<string>): Grant[] {
    const grants: Grant[] = [];
    for (const id of ids) {
      const grant = this.#grants.get(id);
      if (grant !== undefined) grants.push(grant);
    }
    return grants;
  }

  #of(device: Holder, service: ServiceName | undefined, now: UnixMicros): Grant[] {
    return this.#named(this.#byDevice.of(device)).filter(
      (grant) => grant.ends > now && (service === undefined || grant.service === service),
    );
  }

  /** Marks a grant as ended; it is still remembered for late retries. */
  #over(grant: Grant, now: UnixMicros): Grant {
    const over = { ...grant, ends: now, held: undefined };
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
    const { id, device, service, request, created, ends } = grant;
    const before = this.#grants.get(id);
    this.#grants.set(id, grant);
    // A later end is seen when the earlier one has come: however often a grant is extended, it is entered once.
    if (before === undefined || ends < before.ends) this.#deadlines.add(ends, id);
    if (this.#deadlines.size > 2 * this.#grants.size + CROWD) this.#tidy();
    if (before !== undefined) return;
    if (service !== undefined)
      this.#latest.set(service, Math.max(this.#latest.get(service) ?? 0, created) as UnixMicros);
    if (device !== undefined) this.#byRequest.add(request, id);
    this.#enter(grant);
  }

  #enter({ id, device, source, endpoints }: Grant): void {
    for (const endpoint of endpoints) this.#byElement.add(elementKey(source, endpoint), id);
    if (device !== undefined) this.#byDevice.add(device, id);
  }

  #unindex({ id, device, source, endpoints }: Grant): void {
    for (const endpoint of endpoints) this.#byElement.delete(elementKey(source, endpoint), id);
    if (device !== undefined) this.#byDevice.delete(device, id);
  }

  /** Leaves out the deadlines of grants that were ended before, or are forgotten. */
  #tidy(): void {
    this.#deadlines = new Deadlines();
    for (const { id, ends } of this.#grants.values()) if (!this.#ended.has(id)) this.#deadlines.add(ends, id);
  }

  /** Takes a grant out of the book. */
  #erase(grant: Grant): void {
    this.#unindex(grant);
    this.#grants.delete(grant.id);
    this.#unrecorded.delete(grant.id);
    this.#ended.delete(grant.id);
    this.#byRequest.delete(grant.request, grant.id);
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
   * Notices some grants that ended: they are in no index any more, and forgotten when that was long ago or they are too many. More are noticed, and
   * more can be forgotten, than are made, so the book is bounded by what is live; and however many end together, no knock waits for all of them.
   */
  #notice(now: UnixMicros): void {
    for (let noticed = 0; noticed < NOTICES && this.#leaving.length < NOTICES; noticed++) {
      const id = this.#deadlines.take(now);
      if (id === undefined) break;
      const grant = this.#grants.get(id);
      if (grant === undefined || this.#ended.has(id)) continue;
      if (grant.ends > now) {
        this.#deadlines.add(grant.ends, id);
        continue;
      }
      // It shares nothing any more; the next grant of its device or source need not pass it.
      this.#unindex(grant);
      this.#ended.add(id);
      if (grant.held !== undefined) this.#leaving.push(grant);
    }
    let forgotten = 0;
    for (const id of this.#ended) {
      const grant = this.#grants.get(id);
      const due = this.#ended.size > MOST_ENDED || grant === undefined || grant.ends + REMEMBERED <= now;
      if (!due || forgotten++ === FORGETS) break;
      if (grant === undefined) this.#ended.delete(id);
      else this.#forget(grant);
    }
  }

  /** Until when the kernel is to hold such a grant, in its own time, where that is longer than it lasts: so many stand that the kernel has to be helped. */
  #heldUntil(
    { source, target }: Pick<Grant, 'source' | 'target'>,
    seconds: number,
    now: UnixMicros,
  ): number | undefined {
    const crowded = this.#grants.size - this.#ended.size >= CROWD;
    if (!crowded || source.prefix !== fullPrefix(source.family) || target !== undefined) return undefined;
    return this.#kernelTime(now) + seconds * MICROS_PER_SECOND + GRACE * 1000;
  }

  /** A timed grant, and until when the kernel is to hold it from now on. */
  #lasting(grant: Grant, now: UnixMicros): Grant {
    if (grant.slot !== undefined) return grant;
    return { ...grant, held: this.#heldUntil(grant, secondsUntil(grant.ends, now), now) };
  }

  /** Microseconds as the kernel counts them; nobody sets them. */
  #kernelTime(now: UnixMicros): number {
    return now - (this.#clockAhead?.() ?? 0);
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
    this.#deadlines.shift(step);
    for (const [service, made] of this.#latest) this.#latest.set(service, (made + step) as UnixMicros);
  }

  #refusal(applied: Extract<Applied, { ok: false }>): GrantRefusal {
    if (applied.reason === 'full') return 'full';
    this.#onError('the firewall refused a grant', applied.reason === 'error' ? applied.error : applied.reason);
    return 'failed';
  }
}
