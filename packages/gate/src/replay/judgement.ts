/** What became of a packet: pure types. */
import type { UnixMicros } from '@postern/protocol';

/** One field of a line of JSON. */
export type Field = string | number | boolean | readonly string[] | readonly (readonly string[])[] | undefined;

/** What would have been opened by one grant. */
export interface WouldOpen {
  /** As `tcp/22`. */
  readonly endpoints: readonly string[];
  /** The address, or the prefix, that it is opened for. */
  readonly source: string;
  readonly until: UnixMicros;
  /** Where its connections are led, when not to this host. */
  readonly target: string | undefined;
  /** It admits one connection. */
  readonly once: boolean;
}

/** What the daemon would have done. */
export type Outcome =
  | { readonly verdict: 'open' | 'extend'; readonly grants: readonly WouldOpen[] }
  | { readonly verdict: 'close'; readonly count: number }
  /** A receipt, and nothing else. */
  | { readonly verdict: 'answer' }
  | { readonly verdict: 'run'; readonly commands: readonly (readonly string[])[] }
  | { readonly verdict: 'refuse'; readonly reason: string; readonly why: string };

/** What a packet was, and what would have become of it. */
export interface Judgement {
  /** What it is and asks for, in words; nothing of a stranger's that is not escaped. */
  readonly what: string;
  /** The same as fields of JSON. */
  readonly fields: Readonly<Record<string, Field>>;
  readonly outcome: Outcome;
}

/** A refusal. */
export function refused(reason: string, why: string): Outcome {
  return { verdict: 'refuse', reason, why };
}
