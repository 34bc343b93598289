import { EXIT, PersonError, type Command, type Io } from '@postern/terminal';
import { CONFIG, configFile, JSON_OUTPUT } from './admin/options.ts';
import type { UndoValue } from './admin/protocol.ts';

function show(value: UndoValue, io: Io): void {
  const { dark, services, running, byHand } = value;
  if (dark === 'none' && services.length === 0) io.out('nothing was closed that could be undone');
  if (dark !== 'none') io.out(`this host is not dark any more${dark === 'trial' ? ': the trial is over' : ''}`);
  if (services.length > 0) io.out(`open to everybody: ${services.join(', ')}`);
  if (!running) io.out('posternd does not run: this was done without it');
  for (const line of byHand) io.err(line);
}

/** Somebody waits outside: a daemon that says nothing for so long, in milliseconds, is done without. */
const PATIENCE = 10_000;

/** `posternd undo`. It stands outside of admin/, because where no daemon runs it changes the firewall itself, as `run` does. */
export const undo: Command = {
  name: 'undo',
  summary: 'end whole-host mode and every trial, at once',
  description: [
    'Ends `posternd dark`, on trial or confirmed, and every trial of `posternd protect`. With --all the confirmed protections of services, too.',
    'It works without a running daemon, for somebody who is locked out and sits at the console: then it takes the rules out of the kernel itself, with --all the whole table of Postern, and writes the configuration, so that the next start closes nothing again.',
  ],
  options: [{ name: 'all', help: 'the confirmed protections of services, too' }, JSON_OUTPUT, CONFIG],
  examples: [
    { line: 'posternd undo', does: 'the host answers again' },
    { line: 'posternd undo --all', does: 'as before Postern: nothing is closed' },
  ],
  run: async (parsed, io) => {
    const file = configFile(parsed);
    const all = parsed.flags.has('all');
    const { ask, NoAnswer, NotRunning, socketOf } = await import('./admin/client.ts');
    let value: UndoValue;
    try {
      value = await ask(socketOf(file), 'undo', { all }, undefined, PATIENCE);
    } catch (error) {
      const hangs = error instanceof NoAnswer;
      // A configuration that cannot be read must not keep anybody out either.
      const alone =
        hangs || error instanceof NotRunning || (error instanceof PersonError && error.exitCode === EXIT.configuration);
      if (!alone) throw error;
      const { undoWithoutDaemon } = await import('./monitor/undo.ts');
      value = undoWithoutDaemon(file, all);
      if (hangs)
        value = { ...value, byHand: [...value.byHand, `${error.message}: restart it, it may still think otherwise`] };
    }
    if (parsed.flags.has('json')) io.out(JSON.stringify(value));
    else show(value, io);
    return value.byHand.length === 0 ? EXIT.ok : EXIT.failed;
  },
};
