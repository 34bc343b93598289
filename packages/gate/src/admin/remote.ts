import { EXIT, whileWaiting, type Command, type Io, type Parsed } from '@postern/terminal';
import { configFile } from './options.ts';
import type { AdminArguments, AdminCommand, AdminValue, PageValue } from './protocol.ts';

/** A command that asks the daemon one thing and shows the answer. */
export interface Remote<C extends AdminCommand> {
  readonly command: C;
  /** Made of what was typed; a PersonError for what cannot be asked. */
  readonly arguments: (parsed: Parsed) => AdminArguments<C> | Promise<AdminArguments<C>>;
  /** Says it in words. With `--json` the value itself is shown instead. */
  readonly show: (value: AdminValue<C>, io: Io, parsed: Parsed) => void;
}

/** Asks one thing; the socket's side is loaded only now. */
export async function askDaemon<C extends AdminCommand>(
  parsed: Parsed,
  io: Io,
  command: C,
  args: AdminArguments<C>,
): Promise<AdminValue<C>> {
  const { ask, socketOf } = await import('./client.ts');
  const answer = ask(socketOf(configFile(parsed)), command, args, (text) => {
    io.err(text);
  });
  return parsed.flags.has('json') ? answer : whileWaiting(io, 'waiting for posternd', answer);
}

/** The `run` of a command that only asks. */
export function remote<C extends AdminCommand>(it: Remote<C>): Command['run'] {
  return async (parsed, io) => {
    const value = await askDaemon(parsed, io, it.command, await it.arguments(parsed));
    if (parsed.flags.has('json')) io.out(JSON.stringify(value));
    else it.show(value, io, parsed);
    return EXIT.ok;
  };
}

type ListCommand = 'user.list' | 'device.list' | 'grant.list';

/** The `run` of a list: asks for page after page, and shows them as one. */
export function remoteList<C extends ListCommand, T>(it: {
  readonly command: C;
  readonly arguments: (parsed: Parsed) => AdminArguments<C>;
  /** Name of the list in the value. */
  readonly list: string;
  readonly entries: (value: AdminValue<C>) => readonly T[];
  readonly show: (entries: readonly T[], io: Io, parsed: Parsed) => void;
}): Command['run'] {
  return async (parsed, io) => {
    const all: T[] = [];
    let after: string | undefined;
    do {
      const value: AdminValue<C> & PageValue = await askDaemon(parsed, io, it.command, {
        ...it.arguments(parsed),
        after,
      });
      for (const entry of it.entries(value)) all.push(entry);
      after = value.next;
    } while (after !== undefined);
    if (parsed.flags.has('json')) io.out(JSON.stringify({ [it.list]: all }));
    else it.show(all, io, parsed);
    return EXIT.ok;
  };
}
