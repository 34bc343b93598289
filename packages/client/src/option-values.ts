import { parsePrefix } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';
import type { Typed } from './options.ts';
import type { SourceChoice } from './request.ts';

function usage(message: string, hint: string): PersonError {
  return new PersonError(message, { hint, exitCode: EXIT.usage });
}

/** `--ipv4` and `--ipv6`. */
export function familyOption({ flags }: Pick<Typed, 'flags'>): 4 | 6 | undefined {
  if (flags.has('ipv4') && flags.has('ipv6'))
    throw usage('-4 and -6 exclude each other', 'leave both out to use either');
  return flags.has('ipv4') ? 4 : flags.has('ipv6') ? 6 : undefined;
}

/** `--timeout`, in milliseconds; undefined if not typed. */
export function timeoutOption({ values }: Typed): number | undefined {
  const typed = values['timeout'];
  if (typed === undefined) return undefined;
  const seconds = /^[0-9]{1,3}(\.[0-9]+)?$/.test(typed) ? Number(typed) : Number.NaN;
  if (!(seconds >= 0.1 && seconds <= 300))
    throw usage(`--timeout ${typed}: seconds from 0.1 to 300 expected`, 'for example: --timeout 5');
  return seconds * 1000;
}

/** `--seconds`; 0, the service's own, if not typed. */
export function secondsOption({ values }: Typed): number {
  const typed = values['seconds'];
  if (typed === undefined) return 0;
  const seconds = /^[0-9]{1,10}$/.test(typed) ? Number(typed) : 0;
  if (seconds < 1 || seconds > 0xffff_ffff)
    throw usage(`--seconds ${typed}: a whole number of seconds from 1 expected`, 'for example: --seconds 60');
  return seconds;
}

/** `--source`. */
export function sourceOption({ values }: Typed): SourceChoice {
  const typed = values['source'];
  if (typed === undefined || typed === 'auto' || typed === 'observed') return typed ?? 'auto';
  const prefix = parsePrefix(typed);
  if (prefix === undefined || prefix.prefix < 1) {
    const hint =
      'auto, observed, an address, or a prefix without bits behind its length, as 192.0.2.0/24 or 2001:db8::/56';
    throw usage(`--source ${typed}: not understood`, hint);
  }
  return prefix;
}
