import type { Refusal, UnixMicros } from '@postern/protocol';
import type { Capture } from '../config/model.ts';
import type { RequestFrame, VerdictFrame } from '../line/codec.ts';

/** The live gate keys, 32 bytes each; `next` while a rotation is under way. */
export interface GateKeys {
  readonly current: Uint8Array;
  readonly next: Uint8Array | undefined;
}

/** What the sentry needs to unseal requests. Device keys never go there. */
export interface SentrySecrets {
  /** X25519 private key, 32 bytes. */
  readonly x25519: Uint8Array;
  /** X-Wing seed, 32 bytes. */
  readonly xwing: Uint8Array;
  readonly gateKeys: GateKeys;
}

/** What the monitor answers to a request that was recorded. */
export type Verdict = Omit<VerdictFrame, 'type' | 'id'>;

/** How knocks of one family are heard. */
export interface Hearing {
  readonly family: 4 | 6;
  /**
   * - `tag`: the kernel checks form and tag, so a stranger's packet never wakes the sentry.
   * - `form`: the kernel checks the form only, because so many tags do not fit `net.core.optmem_max`; the sentry checks the tag.
   * - `deaf`: this host does not have the family; `why` says so.
   */
  readonly filter: 'tag' | 'form' | 'deaf';
  readonly why: string | undefined;
}

/** What the sentry process is made from. */
export interface SentryOptions {
  /** UDP port of knocks. */
  readonly port: number;
  readonly capture: Capture;
  /** Name of the user that the sentry runs as, looked up in /etc/passwd. */
  readonly sentryUser: string;
  readonly pq: 'required' | 'off';
  readonly secrets: SentrySecrets;
  readonly clock: () => UnixMicros;
  readonly log: (level: 'info' | 'warning' | 'error', message: string) => void;
  /**
   * One request came over the line. Every field is what the sentry says: hostile. `reply` may be called once, at once or later,
   * or never (silence); it never blocks, and does nothing once that sentry is gone.
   */
  readonly onRequest: (request: RequestFrame, reply: (verdict: Verdict) => void) => void;
  /** The sentry sent what no sentry of ours sends. It is counted by the caller as `frame`. */
  readonly onMalformed: () => void;
  /** The sentry ended and is started again after `delay` milliseconds. */
  readonly onRestart?: (reason: string, delay: number) => void;
  /** The program to run instead of the sentry's own; for tests. */
  readonly entry?: string;
}

/** A sentry that is kept running. Disposing it ends the process and closes its sockets. */
export interface SentryProcess extends Disposable {
  /** Process id of the sentry that runs now; undefined between two. */
  readonly pid: number | undefined;
  /** Resolves when the first sentry serves; rejects with a PersonError when it cannot be started at all. */
  readonly ready: Promise<void>;
  /** Resolves when, after disposal, the process is gone. */
  readonly closed: Promise<void>;
  /** How IPv4 and IPv6 are heard now. */
  readonly hearing: readonly [Hearing, Hearing];
  /** How many times the sentry was started again. */
  readonly restarts: number;
  /** Takes new gate keys into use: filters first, then the sentry. */
  setKeys(keys: GateKeys): void;
  /** Refusals of the sentry since the monitor's start, restarts included. */
  counters(): Readonly<Partial<Record<Refusal, number>>>;
}

/**
 * Opens the sockets, attaches the kernel filters, starts the sentry on them and keeps it running.
 * @throws PersonError when the port is in use, a capability or the sentry's user is missing, or that user cannot read the program.
 */
export function startSentry(options: SentryOptions): SentryProcess {
  throw new Error(`not written yet: ${options.entry ?? 'sentry'}`);
}
