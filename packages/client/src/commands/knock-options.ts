/** What the ways of knocking at ports read from the command line. */
import { EXIT, type Parsed, PersonError } from '@postern/terminal';
import { timeoutOption } from '../option-values.ts';
import type { Rounds } from '../ports/keyed-knock.ts';
import { parseStep } from '../ports/sequence.ts';

/** Options that go with every way. */
const COMMON = ['config', 'json', 'quiet', 'verbose', 'ipv4', 'ipv6', 'timeout', 'check'];
const CHECK_MS = 5_000;

/** @throws PersonError if an option was typed that means nothing in `mode` */
export function refuseOthers({ flags, values }: Parsed, mode: string, ours: readonly string[]): void {
  const other = [...flags, ...Object.keys(values)].find((name) => !COMMON.includes(name) && !ours.includes(name));
  if (other !== undefined) throw usage(`--${other} does not go with ${mode}`, '`postern knock --help` says what does');
  if (values['timeout'] !== undefined && values['check'] === undefined)
    throw usage('--timeout goes with --check: a knock has no answer that could be waited for', 'leave it out');
}

/** `--check tcp/N`. */
export interface Check {
  readonly port: number;
  /** Milliseconds. */
  readonly patience: number;
}

/** `--check`; undefined if not typed. */
export function checkOption(parsed: Parsed): Check | undefined {
  const typed = parsed.values['check'];
  if (typed === undefined) return undefined;
  const step = parseStep(typed);
  if (step?.protocol !== 'tcp')
    throw usage(`--check ${typed}: a TCP port expected, as only TCP answers`, 'for example: --check tcp/22');
  return { port: step.port, patience: timeoutOption(parsed) ?? CHECK_MS };
}

/** `--protocol`. Whatever the way lets through of the two, half of the packets are it. */
export function roundsOption({ values }: Parsed): Rounds {
  const typed = values['protocol'] ?? 'both';
  if (typed === 'both') return ['udp', 'tcp'];
  if (typed === 'udp' || typed === 'tcp') return [typed, typed];
  throw usage(
    `--protocol ${typed}: udp, tcp or both expected`,
    'echo requests: `--print` lists the numbers for `ping -p`; see `postern knock --help`',
  );
}

/** `--delay`, in milliseconds. */
export function delayOption({ values }: Parsed, usual: number): number {
  const typed = values['delay'];
  if (typed === undefined) return usual;
  const delay = /^[0-9]{1,5}$/.test(typed) ? Number(typed) : Number.NaN;
  if (!(delay <= 60_000))
    throw usage(`--delay ${typed}: milliseconds from 0 to 60000 expected`, 'for example: --delay 500');
  return delay;
}

/** An error of the command line. */
export function usage(message: string, hint: string): PersonError {
  return new PersonError(message, { hint, exitCode: EXIT.usage });
}
