import { familyOf, formatAddress, formatPrefix, MICROS_PER_SECOND } from '@postern/protocol';
import type { Outcome } from './outcome.ts';
import type { Host } from './host.ts';
import type { Attempt, KnockResult } from './knock.ts';
import type { Ask } from './request.ts';

/** What became of a request at one address, for `--json`. Times are the gate's, in UTC. */
export type AttemptReport = { readonly address: string; readonly family: 4 | 6 } & (
  | {
      readonly status: 'ok' | 'clock' | 'resync' | 'not-permitted' | 'failed';
      /** What it was opened for; null where there is no grant. */
      readonly source: string | null;
      readonly until: string | null;
      readonly seconds: number | null;
      /** Where the gate saw the request come from. */
      readonly seen: string;
      readonly roundTripMs: number;
      readonly packets: number;
      readonly clockCorrectedSeconds: number;
      readonly stateLost: boolean;
    }
  | {
      readonly status: 'silent';
      readonly packets: number;
      readonly seen: string | null;
      readonly troubles: readonly string[];
    }
  | { readonly status: 'unreachable'; readonly code: string }
  | { readonly status: 'given-up' }
);

/** What became of a request, for `--json`. */
export interface KnockReport {
  readonly host: string;
  readonly kind: Ask['kind'];
  readonly service: string | null;
  readonly ok: boolean;
  readonly attempts: readonly AttemptReport[];
}

/** A knock's result as plain data. */
export function reportOf(host: Host, ask: Ask, result: KnockResult): KnockReport {
  return {
    host: host.name,
    kind: ask.kind,
    service: 'service' in ask ? ask.service : null,
    ok: result.some(({ outcome }) => outcome.kind === 'answered' && outcome.status === 'ok'),
    attempts: result.map(attemptReport),
  };
}

function attemptReport({ address, outcome }: Attempt): AttemptReport {
  return { address: formatAddress(address), family: familyOf(address), ...outcomeReport(outcome) };
}

type OutcomeReport = AttemptReport extends infer R
  ? R extends unknown
    ? Omit<R, 'address' | 'family'>
    : never
  : never;

function outcomeReport(outcome: Outcome): OutcomeReport {
  switch (outcome.kind) {
    case 'answered': {
      const { receipt, source } = outcome;
      const granted = outcome.status === 'ok' && receipt.end > 0;
      return {
        status: outcome.status,
        source: granted ? (source === undefined ? formatAddress(receipt.address) : formatPrefix(source)) : null,
        until: granted ? new Date(receipt.end / 1000).toISOString() : null,
        seconds: granted ? (receipt.end - receipt.now) / MICROS_PER_SECOND : null,
        seen: formatAddress(receipt.address),
        roundTripMs: outcome.roundTrip / 1000,
        packets: outcome.tries,
        clockCorrectedSeconds: outcome.clockCorrected / MICROS_PER_SECOND,
        stateLost: outcome.resynced,
      };
    }
    case 'silent': {
      const { tries, seen, troubles } = outcome;
      return { status: 'silent', packets: tries, seen: seen === undefined ? null : formatAddress(seen), troubles };
    }
    case 'unreachable':
      return { status: 'unreachable', code: outcome.code };
    case 'given-up':
      return { status: 'given-up' };
  }
}
