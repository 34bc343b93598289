/** What a device remembers of one gate: plain data, kept in one file (`host-file.ts`). */
import type { SecretBytes, SenderState, ServiceName, UnixMicros } from '@postern/protocol';
import type { Lock } from './locked-file.ts';

/** An address that the gate saw this device come from, on one network. */
export interface SeenAddress {
  /** 16 bytes. */
  readonly address: Uint8Array;
  readonly at: UnixMicros;
}

/** Round trip to the gate, smoothed as TCP does it (RFC 6298, section 2), in microseconds. */
export interface RoundTrip {
  readonly smoothed: number;
  readonly variation: number;
}

/** What a signing key has learned in its requests; changes with every packet. */
export interface Memory {
  readonly sender: SenderState;
  /** The gate key that was used before the present one; kept until a receipt came for the present one. 32 bytes, secret. */
  readonly formerKey: Uint8Array | undefined;
  /** By network (`platform.ts`). */
  readonly seen: ReadonlyMap<string, SeenAddress>;
  readonly roundTrip: RoundTrip | undefined;
}

/** The gate's public keys. */
export interface GateKeys {
  /** 32 bytes. */
  readonly x25519: Uint8Array;
  /** 1,216 bytes. */
  readonly xwing: Uint8Array | undefined;
}

/** An enrolment of which the receipt has not come yet. */
export interface Enrolment {
  /** Seed of the invite's one-time key, 32 bytes. */
  readonly seed: SecretBytes;
  readonly expires: UnixMicros;
  readonly memory: Memory;
}

/** One gate that this device has joined, or is joining. */
export interface Host {
  /** What the owner of the device calls it. */
  readonly name: string;
  /** Seed of the device's Ed25519 key, 32 bytes. */
  readonly seed: SecretBytes;
  readonly gate: GateKeys;
  /** Names or addresses, in the order in which to try them. */
  readonly addresses: readonly string[];
  /** UDP port of knocks. */
  readonly port: number;
  readonly pq: 'required' | 'off';
  /** What the invite said may be opened; the first is the default. */
  readonly services: readonly ServiceName[];
  readonly joined: UnixMicros;
  readonly memory: Memory;
  /** Undefined once enrolled. */
  readonly enrolment: Enrolment | undefined;
  /** Key of the device's keyed knocks, 32 bytes; absent where its enrolment gave none. */
  readonly knockKey?: SecretBytes;
  /** The last slot in which it sent a keyed knock. */
  readonly knockedSlot?: number;
  /** What its file is sealed with; absent where it has no passphrase. */
  readonly lock?: Lock;
}

/** Most networks that are remembered; the oldest leaves. */
export const NETWORKS_MAX = 16;

const NAME = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/;

/**
 * The form under which a host is kept, or undefined if `text` cannot name one: 1 to 63 letters, digits, `.`, `_` and `-`, a letter or
 * digit at either end; small letters, as ssh does with host names.
 */
export function hostName(text: string): string | undefined {
  const name = text.toLowerCase();
  return NAME.test(name) ? name : undefined;
}

/** `memory` with the address that the gate saw on `network`. */
export function withSeen(memory: Memory, network: string, address: Uint8Array, at: UnixMicros): Memory {
  const others = [...memory.seen].filter(([key]) => key !== network).sort(([, a], [, b]) => b.at - a.at);
  return { ...memory, seen: new Map([[network, { address, at }], ...others.slice(0, NETWORKS_MAX - 1)]) };
}

/** `memory` with one more round trip, in microseconds. */
export function withRoundTrip(memory: Memory, sample: number): Memory {
  const { roundTrip } = memory;
  if (roundTrip === undefined) return { ...memory, roundTrip: { smoothed: sample, variation: sample / 2 } };
  const variation = 0.75 * roundTrip.variation + 0.25 * Math.abs(roundTrip.smoothed - sample);
  return { ...memory, roundTrip: { smoothed: 0.875 * roundTrip.smoothed + 0.125 * sample, variation } };
}
