import type { Io, Parsed } from '@postern/terminal';
import { askHost } from '../ask-host.ts';
import type { Ask } from '../request.ts';
import { askOptions, bookOf, serviceOf, tell, waitFor } from './context.ts';

/** `postern close HOST [SERVICE]`. */
export async function runClose(parsed: Parsed, io: Io): Promise<number> {
  const options = askOptions(parsed, io, 'any');
  const book = bookOf(parsed);
  const host = book.get(parsed.arguments['host'] ?? '');
  const ask: Ask = { kind: 'close', service: serviceOf(host, parsed.arguments['service']) };
  const result = await waitFor(host.name, parsed, io, askHost(book, host, ask, options));
  return tell(host, ask, result, parsed, io.out, io);
}
