import type { Prefix, Receipt, SecretBytes, UnixMicros } from '@postern/protocol';
import type { Ask } from './request.ts';

/** How an exchange ended. */
export type Outcome =
  | Answer
  | {
      readonly kind: 'silent';
      /** Packets sent. */
      readonly tries: number;
      /** Where the gate sees this device, if it answered a `whoami`: then it is there and knows the device. 16 bytes. */
      readonly seen: Uint8Array | undefined;
      /** What the network said, each once (`ECONNREFUSED`). */
      readonly troubles: readonly string[];
    }
  | { readonly kind: 'unreachable'; readonly code: string }
  | { readonly kind: 'given-up' };

/** The gate answered. */
export interface Answer {
  readonly kind: 'answered';
  /** `clock` and `resync` only if the gate says so again and again. */
  readonly status: Receipt['status'];
  /** What the request was for; undefined where the gate observed it or the request is for no source. */
  readonly source: Prefix | undefined;
  /** The receipt, whose times are the gate's. */
  readonly receipt: Receipt;
  /** The device's clock when the receipt came. */
  readonly received: UnixMicros;
  /** Microseconds, of the packet that was answered. */
  readonly roundTrip: number;
  /** Packets sent. */
  readonly tries: number;
  /** What was added to the clock on the way, in microseconds; 0 unless the gate said `clock`. */
  readonly clockCorrected: number;
  /** The gate's clock less the device's, as learned, in microseconds. */
  readonly clockOffset: number;
  /** The gate has lost its state since the last time. */
  readonly resynced: boolean;
  /** Of an enrolment that was answered: the key of the device's keyed knocks, 32 bytes. */
  readonly knockKey: SecretBytes | undefined;
  /** The receipt was for us, but what it taught could not be kept: the reason. */
  readonly unsaved: string | undefined;
}

/** What happens on the way, for `--verbose`. Holds nothing that could be replayed, and no key. */
export type Progress =
  | { readonly kind: 'path'; readonly local: Uint8Array }
  | { readonly kind: 'sent'; readonly what: Ask['kind']; readonly attempt: number; readonly source: Prefix | undefined }
  | {
      readonly kind: 'receipt';
      readonly status: Receipt['status'];
      readonly what: Ask['kind'];
      readonly roundTrip: number;
      readonly seen: Uint8Array;
    }
  | { readonly kind: 'trouble'; readonly code: string };
