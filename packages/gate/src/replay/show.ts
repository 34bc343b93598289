/** What a replay tells, as text and as JSON. */
import type { UnixMicros } from '@postern/protocol';
import { printable } from '@postern/terminal';
import { formatPlace, type Addressing } from './addressing.ts';
import type { Judgement, Outcome, WouldOpen } from './judgement.ts';

/** One packet that is told of. */
export interface Told {
  /** Counted from 1, as other programs do. */
  readonly packet: number;
  readonly time: UnixMicros;
  readonly addressing: Addressing;
  /** Undefined: it has no form of anything. */
  readonly judgement: Judgement | undefined;
}

const VERDICTS = {
  open: 'would-open',
  extend: 'would-extend',
  close: 'would-close',
  answer: 'would-answer',
  run: 'would-run',
  refuse: 'refused',
} as const;

/** A time with its microseconds: `2026-11-22T15:00:00.123456Z`. */
export function showMicros(time: UnixMicros): string {
  const seconds = new Date(Math.floor(time / 1_000_000) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(time % 1_000_000).padStart(6, '0')}Z`;
}

/** One line of text. */
export function lineOf({ time, addressing, judgement }: Told): string {
  const { source, sourcePort, destination, destinationPort, protocol } = addressing;
  const way = `${formatPlace(source, sourcePort)} -> ${formatPlace(destination, destinationPort)}`;
  const what =
    judgement === undefined ? `${protocol}, no form of a knock` : `${judgement.what}: ${inWords(judgement.outcome)}`;
  return `${showMicros(time)}  ${way}  ${what}`;
}

/** One line of JSON. */
export function jsonOf({ packet, time, addressing, judgement }: Told): string {
  const from = { packet, time: showMicros(time), ...addressing };
  if (judgement === undefined) return JSON.stringify({ ...from, form: 'none' });
  return JSON.stringify({ ...from, ...judgement.fields, ...asFields(judgement.outcome) });
}

function inWords(outcome: Outcome): string {
  switch (outcome.verdict) {
    case 'open':
    case 'extend':
      return `would ${outcome.verdict} ${outcome.grants.map(grantInWords).join('; ')}`;
    case 'close':
      return outcome.count === 0 ? 'would close, and nothing was open' : `would close ${String(outcome.count)}`;
    case 'answer':
      return 'would be answered, and opens nothing';
    case 'run':
      return `would run ${outcome.commands.map(commandInWords).join(', later ')}`;
    case 'refuse':
      return `refused: ${outcome.why}`;
  }
}

function grantInWords({ endpoints, source, until, target, once }: WouldOpen): string {
  const lead = target === undefined ? '' : ` (led to ${target})`;
  return `${endpoints.join(' ')}${lead} for ${source}${once ? ', for one connection,' : ''} until ${showMicros(until)}`;
}

function commandInWords(argv: readonly string[]): string {
  return argv.map((word) => (/^[\w./:=@%+,-]+$/.test(word) ? word : JSON.stringify(printable(word)))).join(' ');
}

function asFields(outcome: Outcome): object {
  const verdict = VERDICTS[outcome.verdict];
  switch (outcome.verdict) {
    case 'open':
    case 'extend':
      return { verdict, grants: outcome.grants.map((grant) => ({ ...grant, until: showMicros(grant.until) })) };
    case 'close':
      return { verdict, closed: outcome.count };
    case 'answer':
      return { verdict };
    case 'run':
      return { verdict, commands: outcome.commands.map((argv) => argv.map(printable)) };
    case 'refuse':
      return { verdict, reason: outcome.reason, why: outcome.why };
  }
}
