/** The packets of `vectors/` as the tests of the gate read them; what the files hold is described in them and in docs/protocol.md. */
import { readFileSync } from 'node:fs';
import {
  fromHex,
  importStaticPrivate,
  type Refusal,
  type ReceiptStatus,
  type Statics,
  type Suite,
} from '@postern/protocol';

/** Keys of a vector file. Byte strings are hexadecimal everywhere here. */
export interface VectorKeys {
  readonly gateKey: string;
  readonly nextGateKey: string;
  readonly x25519: { readonly secret: string };
  readonly xwing: { readonly secret: string };
  readonly stateId: string;
  readonly device: { readonly id: string; readonly publicKey: string };
  readonly invite: { readonly id: string; readonly publicKey: string };
  readonly newDevice: { readonly publicKey: string };
}

/** What a gate knows when a packet comes in. Times are Unix microseconds. */
export interface VectorContext {
  readonly now: number;
  readonly from: string;
  readonly pq: 'required' | 'off';
  readonly gateKeys: readonly string[];
  readonly stateId: string;
  readonly device: {
    readonly id: string;
    readonly expires: number | null;
    readonly revoked: number | null;
    readonly services: readonly string[];
    readonly from: readonly string[] | null;
    readonly maxSeconds: number | null;
    readonly userExpires: number | null;
    readonly userRevoked: number | null;
  } | null;
  readonly services: readonly {
    readonly name: string;
    readonly seconds: number;
    readonly maxSeconds: number;
    readonly singleUse: boolean;
    readonly observedSource: boolean;
    readonly prefix4: number;
    readonly prefix6: number;
  }[];
  readonly invite: { readonly id: string; readonly expires: number; readonly usedBy: string | null } | null;
  readonly row: {
    readonly era: number;
    readonly top: number;
    readonly floor: number;
    readonly recent: readonly number[];
  } | null;
  readonly grants: readonly string[];
}

/** A packet that a gate accepts. */
export interface ValidVector {
  readonly name: string;
  readonly suite: Suite;
  readonly gateKey: 'gateKey' | 'nextGateKey';
  readonly statement: {
    readonly kind: 'open' | 'extend' | 'close' | 'whoami' | 'enrol';
    readonly source:
      { readonly type: 'observed' } | { readonly type: 4 | 6; readonly prefix: number; readonly address: string };
    readonly seconds: number;
    readonly singleUse: boolean;
    readonly service: string | null;
  };
  readonly heard: { readonly now: number; readonly from: string };
  readonly plaintext: string;
  readonly nonce: string;
  readonly enc: string;
  readonly packet: string;
  readonly mac: string;
  readonly receiptKey: string;
}

/** A packet that a gate refuses; `told`: the status of the receipt that is sent all the same. */
export interface InvalidVector {
  readonly name: string;
  readonly reason: Refusal;
  readonly told: ReceiptStatus | null;
  readonly packet: string;
  readonly context: Partial<VectorContext>;
}

/** Packets in time. */
export interface SequenceVector {
  readonly name: string;
  readonly packets: readonly string[];
  readonly steps: readonly {
    readonly packet: number;
    readonly afterMicros: number;
    readonly from: string;
    readonly outcome: 'ok' | Refusal;
  }[];
}

function read(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../../../vectors/${name}`, import.meta.url), 'utf8'));
}

/** vectors/spa-v1-valid.json */
export const VALID = read('spa-v1-valid.json') as {
  readonly keys: VectorKeys;
  readonly vectors: readonly ValidVector[];
};

/** vectors/spa-v1-invalid.json */
export const INVALID = read('spa-v1-invalid.json') as {
  readonly keys: VectorKeys;
  readonly context: VectorContext;
  readonly vectors: readonly InvalidVector[];
  readonly sequences: readonly SequenceVector[];
};

/** The gate's private keys. */
export function staticsOf(keys: VectorKeys): Statics {
  return {
    1: importStaticPrivate(1, fromHex(keys.x25519.secret)),
    2: importStaticPrivate(2, fromHex(keys.xwing.secret)),
  };
}
