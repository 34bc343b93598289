import type { Io, Parsed } from '@postern/terminal';
import { EXIT, PersonError } from '@postern/terminal';
import { askHost } from '../ask-host.ts';
import { secondsOption, sourceOption } from '../option-values.ts';
import type { Ask } from '../request.ts';
import { askOptions, bookOf, serviceOf, tell, waitFor } from './context.ts';

/** Options that mean nothing to a knock of one packet. */
const PORT_KNOCK_OPTIONS = ['protocol', 'delay', 'check'];

/** `postern knock HOST [SERVICE]`. */
export async function runKnock(parsed: Parsed, io: Io): Promise<number> {
  const { flags, values } = parsed;
  if (flags.has('keyed') || flags.has('print')) {
    return (await import('./knock-keyed.ts')).runKeyedKnock(parsed, io);
  }
  if (values['sequence'] !== undefined || values['door'] !== undefined) {
    return (await import('./knock-sequence.ts')).runSequenceKnock(parsed, io);
  }
  const stray = PORT_KNOCK_OPTIONS.find((name) => values[name] !== undefined);
  if (stray !== undefined) {
    throw new PersonError(`--${stray} goes with --keyed, --sequence or --door`, { exitCode: EXIT.usage });
  }
  if (!flags.has('for-ssh')) return knockNow(parsed, io);
  return (await import('./ssh-knock.ts')).runKnockForSsh(parsed, io, knockNow);
}

async function knockNow(parsed: Parsed, io: Io): Promise<number> {
  const { flags } = parsed;
  if (flags.has('extend') && flags.has('single-use')) {
    throw new PersonError('--extend and --single-use exclude each other', {
      hint: 'only a grant for many connections can be extended',
      exitCode: EXIT.usage,
    });
  }
  const source = sourceOption(parsed);
  const seconds = secondsOption(parsed);
  // Whatever connects next may use either family: both are opened.
  const options = askOptions(parsed, io, 'each-family');
  const book = bookOf(parsed);
  const host = book.get(parsed.arguments['host'] ?? '');
  const service = serviceOf(host, parsed.arguments['service']);
  const kind = flags.has('extend') ? 'extend' : 'open';
  const ask: Ask = { kind, service, seconds, singleUse: flags.has('single-use'), source };
  const result = await waitFor(host.name, parsed, io, askHost(book, host, ask, options));
  return tell(host, ask, result, parsed, io.out, io);
}
