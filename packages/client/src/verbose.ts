import { formatAddress, formatPrefix } from '@postern/protocol';
import type { Progress } from './outcome.ts';
import { formatMicros } from './words.ts';

/** Shows what happens on the way, a line each with the seconds since the start. Nothing that it shows could be replayed. */
export function progressPrinter(
  err: (line: string) => void,
  tick: () => number,
): (address: Uint8Array, progress: Progress) => void {
  const start = tick();
  return (address, progress) => {
    err(`postern: ${((tick() - start) / 1000).toFixed(3)} s  ${formatAddress(address)}: ${describe(progress)}`);
  };
}

function describe(progress: Progress): string {
  switch (progress.kind) {
    case 'path':
      return `from ${formatAddress(progress.local)}`;
    case 'sent': {
      const { what, attempt, source } = progress;
      const whom = source === undefined ? '' : ` for ${formatPrefix(source)}`;
      return `sent ${what}${whom}${attempt > 1 ? ` (${attempt - 1} unanswered)` : ''}`;
    }
    case 'receipt':
      return `receipt of ${progress.what}: ${progress.status}, after ${formatMicros(progress.roundTrip)}, seen from ${formatAddress(progress.seen)}`;
    case 'trouble':
      return `the network says ${progress.code}; waiting all the same`;
  }
}
