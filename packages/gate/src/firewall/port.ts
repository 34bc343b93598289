/**
 * The port behind which every firewall backend stands: pure types. A backend only takes away: it drops ungranted new connections
 * to protected endpoints and leaves all else to the host's own rules. Every backend passes `firewall/contract.fixture.ts`.
 */
import type { Seconds } from '@postern/protocol';

/** One protected transport endpoint of this host. */
export interface Endpoint {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
}

/** One source: an address, or a prefix when `prefix` is shorter than the family's full length (32 or 128). */
export interface Source {
  readonly family: 4 | 6;
  /** 16 bytes; IPv4 as ::ffff:a.b.c.d. */
  readonly address: Uint8Array;
  /** Prefix length within the family: 0 to 32, or 0 to 128. */
  readonly prefix: number;
}

/**
 * Where a granted connection goes instead of to this host: a service behind it, of the source's family. With `masquerade` that service
 * sees this host's address in place of the source's, so that its answers come back this way whatever its own routes are.
 */
export interface Target {
  /** 16 bytes; IPv4 as ::ffff:a.b.c.d. */
  readonly address: Uint8Array;
  readonly port: number;
  readonly masquerade: boolean;
}

/** A new connection that is admitted once needs a place of its own, so that several can be armed for one source at once. */
export const ONCE_SLOTS = 32;

/** The longest that a place can be armed, in seconds: one day. */
export const ONCE_SECONDS = 86_400;

/**
 * One element-wise change. `id` is the grant's 16 hexadecimal digits and the element's only comment.
 * - `set`: source may start any number of connections to endpoint for `seconds`; replaces what is there.
 * - `unset`: takes that away; nothing there is no error.
 * - `arm`: source may start one connection to endpoint within `seconds`, in place `slot`; a place that is armed is `taken`.
 * - `rearm`: changes the time of an armed place; a place that was used or ran out is `missing`.
 * - `disarm`: takes that away; nothing there is no error.
 * With a `target` the connections that the grant starts at an address of this host are led there; what replaces a grant, replaces its
 * target, and the last one that is armed for a source and endpoint says where all its places lead. Connections that began live on.
 * A prefix source can be `set` but not armed. A number that is out of range, or a target of the other family, is thrown as RangeError.
 */
export type Change =
  | {
      readonly kind: 'set';
      readonly source: Source;
      readonly endpoint: Endpoint;
      readonly seconds: Seconds;
      readonly id: string;
      readonly target?: Target | undefined;
      /** The caller knows of nothing that is held for this source and endpoint: tried without a look. Being wrong costs time, nothing else. */
      readonly fresh?: boolean | undefined;
      /** Milliseconds that it is held for longer, as its caller means to take it away when its seconds are over. 0 when it is left out. */
      readonly grace?: number | undefined;
    }
  | {
      readonly kind: 'unset';
      readonly source: Source;
      readonly endpoint: Endpoint;
      /** The caller knows that it is held, and leads nowhere: tried without a look. Being wrong costs time, nothing else. */
      readonly held?: boolean | undefined;
    }
  | {
      readonly kind: 'arm' | 'rearm';
      readonly source: Source;
      readonly endpoint: Endpoint;
      readonly seconds: Seconds;
      readonly id: string;
      readonly slot: number;
      readonly target?: Target | undefined;
      /** Likewise, but for a look at the guard of its places; not for `rearm`. */
      readonly fresh?: boolean | undefined;
    }
  | { readonly kind: 'disarm'; readonly source: Source; readonly endpoint: Endpoint; readonly slot: number };

/**
 * What became of a batch: all of it, or nothing. `full`: the firewall holds no more. `gone`: what `install` made is not there any more.
 * `error` names the system's error (an errno name) for the log.
 */
export type Applied =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: 'taken' | 'missing' | 'full' | 'gone' }
  | { readonly ok: false; readonly reason: 'error'; readonly error: string };

/** One grant element as the kernel holds it. */
export interface Opening {
  readonly source: Source;
  readonly endpoint: Endpoint;
  /** The grant id in the element's comment; undefined when there is none. */
  readonly id: string | undefined;
  /** Undefined for a timed grant. */
  readonly slot: number | undefined;
  /** Where its connections are led; none for a service of this host. */
  readonly target?: Target;
  /** Milliseconds that remain, as the kernel tells. */
  readonly remaining: number;
}

/** A place for single connections, or for one. */
export interface Place {
  readonly source: Source;
  readonly endpoint: Endpoint;
  readonly slot: number;
}

/** What arms a place: the grant id in its comment, undefined when there is none. */
export type Armed = Pick<Opening, 'id'>;

/** One protected endpoint as the kernel holds it. */
export interface Protection {
  readonly endpoint: Endpoint;
  /** Milliseconds until it is undone by itself; undefined when it is confirmed. */
  readonly remaining: number | undefined;
}

/** What everybody reaches of a host that is dark, besides its knock port. */
export interface Exceptions {
  readonly endpoints: readonly Endpoint[];
  /** Numbers of IP protocols other than TCP, UDP and ICMP: 0 to 255. */
  readonly protocols: readonly number[];
  /** Whether echo requests are answered. */
  readonly ping: boolean;
  /** Interfaces by which everything comes in; a name that ends with `*` means all that begin so. */
  readonly interfaces: readonly string[];
}

/** How long a host stays dark. */
export interface Darkness {
  /** Milliseconds until it is undone by itself; undefined when it is confirmed. */
  readonly remaining: number | undefined;
}

/** A live connection of this host, local side first, to be admitted although conntrack may not know it. */
export interface Flow {
  readonly family: 4 | 6;
  readonly protocol: 'tcp';
  readonly remoteAddress: Uint8Array;
  readonly remotePort: number;
  readonly localPort: number;
}

/** What a firewall needs to know to install itself. */
export interface Plan {
  /** UDP port of knocks. */
  readonly knockPort: number;
  /** Further UDP ports at which packets are seen by packet sockets alone, and dropped. None when it is left out. */
  readonly morePorts?: readonly number[] | undefined;
  /** True where a packet socket sees knocks first, so that the port itself can be dropped; false for a plain UDP socket. */
  readonly dropKnocks: boolean;
  /** Grants with a target can be applied; without it only those that are there already lead on. False when it is left out. */
  readonly forwards?: boolean;
}

/**
 * A firewall backend. All calls are synchronous; only `install`, and `list` with the number of grants, may take longer than a millisecond: nothing that
 * happens while requests are served calls `list`.
 */
export interface Firewall extends Disposable {
  /** Installs or repairs tables and rules in one transaction. Elements that are there stay: that is how a restart adopts them. */
  install(plan: Plan): void;
  /** The hot path: applies all changes or none. */
  apply(changes: readonly Change[]): Applied;
  /** Protects endpoints, by itself undone after `seconds`, or for good when undefined. Replaces an earlier protection's time. */
  protect(endpoints: readonly Endpoint[], seconds: Seconds | undefined): Applied;
  /** Lets everybody reach endpoints again. Nothing there is no error. */
  unprotect(endpoints: readonly Endpoint[]): Applied;
  /**
   * Closes the whole host but for `exceptions`, grants, and what a network cannot do without; by itself undone after `seconds`, or for
   * good when undefined. Replaces an earlier time and earlier exceptions, which a later `install` leaves as they are. Throws RangeError
   * for exceptions that cannot be.
   */
  darken(exceptions: Exceptions, seconds: Seconds | undefined): Applied;
  /** Ends that; single protected endpoints stay closed. A host that is not dark is no error. */
  lighten(): Applied;
  /** Whether the host is dark; undefined when it is not. Throws when the system does not answer. */
  darkness(): Darkness | undefined;
  /** Admits live connections for `seconds`. */
  seed(flows: readonly Flow[], seconds: Seconds): Applied;
  /** What the kernel holds now; nothing when nothing is installed. Throws when the system does not answer. */
  list(): { readonly openings: readonly Opening[]; readonly protections: readonly Protection[] };
  /**
   * What arms each of these places, in their order; undefined for one that is not armed. Microseconds each; no more than 1,000 at once. Throws when
   * the system does not answer.
   */
  armed(places: readonly Place[]): readonly (Armed | undefined)[];
  /** Whether the ruleset is there: `nft flush ruleset`, and a restart of nftables.service, take it away. Microseconds. */
  present(): boolean;
  /** Packets to the knock port that the ruleset dropped or passed since installation, strangers' and devices'; 0 without one. */
  knocks(): number;
  /** Takes tables and rules away wholly: afterwards the host is as before `install`. */
  remove(): void;
}
