/**
 * For tests only: what the vector files hold. Byte strings are hexadecimal, addresses text, times Unix microseconds (below 2^53, so
 * that any JSON reader has them exactly).
 */
import type { Refusal } from '../refusal.ts';

export interface KeysJson {
  gateKey: string;
  /** The gate key that is being rotated to. */
  nextGateKey: string;
  x25519: StaticJson;
  xwing: StaticJson;
  stateId: string;
  device: SignerJson;
  invite: SignerJson;
  newDevice: SignerJson;
}

export interface StaticJson {
  /** X25519 private key, or X-Wing seed. */
  secret: string;
  public: string;
  /** SHA-256 of `public`. */
  hash: string;
  audience: string;
}

export interface SignerJson {
  /** Ed25519 private key (the seed). */
  seed: string;
  publicKey: string;
  id: string;
}

export interface StatementJson {
  kind: 'open' | 'extend' | 'close' | 'whoami' | 'enrol';
  singleUse: boolean;
  device: string;
  era: number;
  time: number;
  stateId: string;
  requestId: string;
  audience: string;
  source: { type: 'observed' } | { type: 4 | 6; prefix: number; address: string };
  seconds: number;
  service: string | null;
  newDevice: string | null;
}

export interface ReceiptJson {
  nonce: string;
  status: 'ok' | 'clock' | 'resync' | 'not-permitted' | 'failed';
  address: string;
  end: number;
  now: number;
  era: number;
  stateId: string;
  nextKey: string | null;
  plaintext: string;
  bytes: string;
}

export interface ValidVector {
  name: string;
  suite: 1 | 2;
  /** Name of the gate key among `keys`. */
  gateKey: 'gateKey' | 'nextGateKey';
  /** Name of the signer among `keys`. */
  signer: 'device' | 'invite';
  epoch: number;
  nonce: string;
  /** X25519 private key (32 bytes), or X-Wing encapsulation seed (64 bytes). */
  ephemeral: string;
  statement: StatementJson;
  /** When the gate hears the packet, and from where. */
  heard: { now: number; from: string };
  prk: string;
  tagKey: string;
  maskKey: string;
  macKey: string;
  tag: string;
  enc: string;
  sharedSecret: string;
  info: string;
  hpkeKey: string;
  hpkeNonce: string;
  exporterSecret: string;
  aad: string;
  signedMessage: string;
  signature: string;
  plaintext: string;
  sealed: string;
  packet: string;
  mac: string;
  receiptKey: string;
  /** With `enrol` only. */
  knockKey: string | null;
  receipt: ReceiptJson;
}

export interface ValidFile {
  about: string;
  keys: KeysJson;
  vectors: ValidVector[];
}

/** What a gate knows when a packet comes in. */
export interface ContextJson {
  now: number;
  /** Where the packet comes from. */
  from: string;
  pq: 'required' | 'off';
  /** One live gate key, or two while it is being rotated. */
  gateKeys: string[];
  stateId: string;
  /** The one device that the gate knows, with its user; null: it knows none. */
  device: DeviceJson | null;
  services: ServiceJson[];
  /** The one invite that the gate knows; null: none. */
  invite: { id: string; expires: number; usedBy: string | null } | null;
  /** Freshness row of the device or invite that the packet names; null: none yet. */
  row: { era: number; top: number; floor: number; recent: number[] } | null;
  /** Services for which the device has a live grant from the source of the packet. */
  grants: string[];
}

export interface DeviceJson {
  id: string;
  expires: number | null;
  revoked: number | null;
  /** The user's. */
  services: string[];
  from: string[] | null;
  maxSeconds: number | null;
  userExpires: number | null;
  userRevoked: number | null;
}

export interface ServiceJson {
  name: string;
  seconds: number;
  maxSeconds: number;
  singleUse: boolean;
  observedSource: boolean;
  prefix4: number;
  prefix6: number;
}

export interface InvalidVector {
  name: string;
  reason: Refusal;
  /** Status of the receipt that tells the device; null: silent. */
  told: ReceiptJson['status'] | null;
  packet: string;
  /** What differs from the file's `context`, member by member. */
  context: Partial<ContextJson>;
}

export interface SequenceVector {
  name: string;
  packets: string[];
  /** In order: which of `packets` comes in, how long after the first, from where, and what becomes of it. */
  steps: { packet: number; afterMicros: number; from: string; outcome: 'ok' | Refusal }[];
}

export interface ReceiptVector {
  name: string;
  receiptKey: string;
  mac: string;
  bytes: string;
}

export interface InvalidFile {
  about: string;
  keys: KeysJson;
  context: ContextJson;
  vectors: InvalidVector[];
  sequences: SequenceVector[];
  /** Bytes that are no receipt for the request with this key and mac. */
  receipts: ReceiptVector[];
  /** Reasons that no packet has by itself. */
  limits: Partial<Record<Refusal, string>>;
}

/** A refused packet before it is written down. */
export interface Refused extends Omit<InvalidVector, 'packet' | 'told' | 'context'> {
  packet: Uint8Array;
  told?: InvalidVector['told'];
  context?: Partial<ContextJson>;
}
