import process from 'node:process';
import type { Io, Parsed } from '@postern/terminal';
import { EXIT, PersonError } from '@postern/terminal';
import { askHost } from '../ask-host.ts';
import { answersOf } from '../knock.ts';
import { timeoutOption } from '../option-values.ts';
import type { Ask } from '../request.ts';
import { resolveAddresses } from '../resolve.ts';
import { PATIENCE_MS } from '../schedule.ts';
import { callingSsh, KNOCKED } from '../ssh-caller.ts';
import { connectFirst, relay } from '../ssh-relay.ts';
import { askOptions, bookOf, serviceOf, tell } from './context.ts';
import { inOneLine } from './ssh-knock.ts';

/** `postern ssh-proxy HOST SERVICE PORT`, as ssh calls it: knocks and connects to the very address that was opened. */
export async function runSshProxy(parsed: Parsed, io: Io): Promise<number> {
  const { arguments: typed } = parsed;
  const port = portOf(typed['port'] ?? '');
  const flags = new Set([...parsed.flags, 'quiet']);
  const caller = callingSsh();
  if (caller?.family !== undefined && !flags.has('ipv4') && !flags.has('ipv6')) flags.add(`ipv${caller.family}`);
  const quiet = { ...parsed, flags };
  const options = askOptions(quiet, io, 'any');
  const book = bookOf(quiet);
  const host = book.get(typed['host'] ?? '');
  const ask: Ask = {
    ...{ kind: 'open', service: serviceOf(host, typed['service']) },
    ...{ seconds: 0, singleUse: false, source: 'auto' },
  };
  const patience = timeoutOption(parsed) ?? PATIENCE_MS;
  let opened: readonly Uint8Array[] = [];
  let inVain = false;
  if (process.env[KNOCKED] !== host.name) {
    try {
      const result = await askHost(book, host, ask, options);
      opened = answersOf(result)
        .filter(({ outcome }) => outcome.status === 'ok')
        .map(({ address }) => address);
      tell(host, ask, result, quiet, io.err, io);
    } catch (error) {
      if (!(error instanceof PersonError)) throw error;
      inVain = true;
      io.err(inOneLine(error, host.name));
    }
  }
  const addresses =
    opened.length > 0 ? opened : (await resolveAddresses(host.addresses, options.family, options.lookup)).addresses;
  const socket = await connectFirst(addresses, port, patience);
  if (typeof socket === 'string') {
    // Why has been said already, in one line.
    if (inVain) return EXIT.silent;
    throw new PersonError(`no connection to port ${port} of ${host.name}: ${socket}`, { exitCode: EXIT.silent });
  }
  try {
    await relay(socket, process.stdin, process.stdout);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new PersonError(`the connection to ${host.name} broke: ${code ?? message}`, { cause: error });
  }
  return EXIT.ok;
}

function portOf(text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65535) return port;
  throw new PersonError(`port ${JSON.stringify(text)}: 1 to 65535 expected`, { exitCode: EXIT.usage });
}
