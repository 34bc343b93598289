/** Who may open what, from where, for how long: pure decisions over plain facts. The gate's configuration model satisfies the types. */
import { MICROS_PER_SECOND, type Seconds, type ServiceName, type UnixMicros } from './brand.ts';
import { contains, familyOf, fullPrefix, type Prefix } from './address.ts';
import { accept, refuse, type Result } from './result.ts';
import type { Kind, StatedSource } from './statement.ts';

/** What policy needs to know of a service. */
export interface ServicePolicy {
  readonly name: ServiceName;
  /** Length of a grant when the request asks for none of its own. */
  readonly seconds: Seconds;
  /** The most that a request may ask for. */
  readonly maxSeconds: Seconds;
  /** Every grant admits one connection only. */
  readonly singleUse: boolean;
  /** Requests may leave their source to be observed by the gate. */
  readonly observedSource: boolean;
  /** The shortest prefixes that a request may state as its source. */
  readonly prefix4: number;
  readonly prefix6: number;
}

/** What policy needs to know of a user. */
export interface UserPolicy {
  readonly services: readonly ServiceName[];
  /** Sources from which requests may come; undefined = anywhere. */
  readonly from: readonly Prefix[] | undefined;
  /** The most seconds of a grant; undefined = the service's own. */
  readonly maxSeconds: Seconds | undefined;
  readonly expires: UnixMicros | undefined;
  readonly revoked: UnixMicros | undefined;
}

/** What policy needs to know of a device. */
export interface DeviceFacts {
  readonly expires: UnixMicros | undefined;
  readonly revoked: UnixMicros | undefined;
}

/** What the source check needs to know of a request. A `Statement` is one. */
export interface SourceClaim {
  readonly kind: Kind;
  readonly source: StatedSource;
}

/** What a decision needs to know of a request to `open` or `extend`. A `Statement` is one. */
export interface GrantClaim {
  readonly singleUse: boolean;
  /** Whole seconds that the request asks for; 0 = the service's own. */
  readonly seconds: number;
}

/** All the facts of one decision. */
export interface GrantFacts {
  readonly claim: GrantClaim;
  /** The source that {@link sourceAllowed} gave. */
  readonly source: Prefix;
  /** Undefined: the gate has no such service. */
  readonly service: ServicePolicy | undefined;
  readonly user: UserPolicy;
  readonly device: DeviceFacts;
  /** The gate's clock. */
  readonly now: UnixMicros;
}

/** What may be granted. */
export interface Permit {
  /** At least 1. */
  readonly seconds: Seconds;
  /** One connection only; then `source` is one address. */
  readonly singleUse: boolean;
  readonly source: Prefix;
}

/**
 * The source that a request is for, given the address that its packet came from (16 bytes). Refused with `source` when it came from elsewhere than
 * it states, with `source-leave` when it leaves an `open` or `extend` to observation and the service (undefined: none) does
 * not give leave. Both are silent and not recorded, so that a thief who races a packet destroys nothing.
 */
export function sourceAllowed(
  claim: SourceClaim,
  observed: Uint8Array,
  service: ServicePolicy | undefined,
): Result<Prefix, 'source' | 'source-leave'> {
  const family = familyOf(observed);
  const stated = claim.source;
  if (stated.type === 'observed') {
    const needsLeave = claim.kind === 'open' || claim.kind === 'extend';
    if (needsLeave && service?.observedSource !== true) return refuse('source-leave');
    return accept({ family, address: Uint8Array.from(observed), prefix: fullPrefix(family) });
  }
  const source: Prefix = { family: stated.type, address: stated.address, prefix: stated.prefix };
  return contains(source, observed) ? accept(source) : refuse('source');
}

/**
 * What an `open` or `extend` may be granted. More time than allowed is cut to what is allowed, and to the end of user and device; the
 * receipt tells the true end. All else that does not fit is refused.
 */
export function decide(facts: GrantFacts): Result<Permit, 'not-permitted'> {
  const { claim, source, service, user, device, now } = facts;
  if (service === undefined || !user.services.includes(service.name)) return refuse('not-permitted');
  if (!isLive(user, now) || !isLive(device, now)) return refuse('not-permitted');
  if (user.from !== undefined && !user.from.some((allowed) => contains(allowed, source)))
    return refuse('not-permitted');
  if (source.prefix < (source.family === 4 ? service.prefix4 : service.prefix6)) return refuse('not-permitted');
  const singleUse = service.singleUse || claim.singleUse;
  // A firewall cannot count one connection over many addresses, and a request is never given more than it asked for.
  if (singleUse && source.prefix < fullPrefix(source.family)) return refuse('not-permitted');
  const seconds = Math.min(
    claim.seconds === 0 ? service.seconds : claim.seconds,
    service.maxSeconds,
    user.maxSeconds ?? service.maxSeconds,
    remaining(user, now),
    remaining(device, now),
  );
  return seconds < 1 ? refuse('not-permitted') : accept({ seconds: seconds as Seconds, singleUse, source });
}

/** Whole seconds until a holder expires. */
function remaining(holder: DeviceFacts, now: UnixMicros): number {
  return holder.expires === undefined ? Infinity : Math.floor((holder.expires - now) / MICROS_PER_SECOND);
}

/** True while a user or device may do anything: not expired at `now`, and never revoked, whatever the clock says now. */
export function isLive(holder: DeviceFacts, now: UnixMicros): boolean {
  return holder.revoked === undefined && (holder.expires === undefined || holder.expires > now);
}
