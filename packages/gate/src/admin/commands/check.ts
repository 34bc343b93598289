import { EXIT, whileWaiting, type Command, type Io, type Parsed } from '@postern/terminal';
import type { Examiner } from '../doctor/examiner.ts';
import type { Configuration } from '../../config/model.ts';
import { CONFIG, configFile, JSON_OUTPUT, WITH_FWKNOP } from '../options.ts';

/** Runs examiners, with what the daemon finds where it runs, and shows what they found; the worst decides the exit code. */
export async function runExaminers(
  parsed: Parsed,
  io: Io,
  choose: (lists: { readonly CHECK: readonly Examiner[]; readonly DOCTOR: readonly Examiner[] }) => readonly Examiner[],
  advice: number,
): Promise<number> {
  const [{ loadConfiguration }, { ask, NotRunning }, { examine }, lists, { exitCodeOf, showFindings }] =
    await Promise.all([
      import('../../config/load.ts'),
      import('../client.ts'),
      import('../doctor/examine.ts'),
      import('../doctor/examiners.ts'),
      import('../show-findings.ts'),
    ]);
  // The file as it is now, which need not be what the daemon read.
  const native = loadConfiguration(configFile(parsed));
  const daemon = await ask(native.socket, 'check', {}).catch((error: unknown) => {
    if (error instanceof NotRunning) return undefined;
    throw error;
  });
  const directory = parsed.values['fwknop'] ?? daemon?.fwknop;
  const configuration = directory === undefined ? native : await withFwknop(native, directory);
  const running = daemon !== undefined;
  const looking = examine(choose(lists), { configuration, running, daemon: daemon?.findings ?? [] });
  const findings = await (parsed.flags.has('json') ? looking : whileWaiting(io, 'looking at this host', looking));
  if (parsed.flags.has('json')) io.out(JSON.stringify({ running, findings }));
  else showFindings(findings, io);
  return exitCodeOf(findings, advice);
}

/** The configuration as a daemon has it that runs with `--fwknop`; what that leaves out, `posternd import fwknop` tells. */
async function withFwknop(configuration: Configuration, directory: string): Promise<Configuration> {
  const { fwknopOf } = await import('../../config/fwknop/load.ts');
  return { ...configuration, fwknop: fwknopOf(directory, configuration, () => undefined) };
}

/** `posternd check`. */
export const check: Command = {
  name: 'check',
  summary: 'say whether this configuration works on this host',
  description: [
    'Run it before protecting anything. It reads the configuration and looks at the host: keys and permissions, users and devices, what the kernel and systemd lack, and whether the own rules of this host (nft, iptables, ufw, firewalld) would stop what a knock opens. It changes nothing. Each finding says what it is, why it matters, and the command that mends it; `docs/reference/findings.md` lists them all. It works with and without a running daemon.',
    'Exit code: 0 nothing to mend (notes at most), 6 warnings, 1 errors, 5 the configuration cannot be read.',
  ],
  options: [WITH_FWKNOP, JSON_OUTPUT, CONFIG],
  examples: [
    { line: 'posternd check', does: 'shows everything that was found, the worst first' },
    { line: 'posternd check && posternd reload', does: 'reloads only what is in order' },
  ],
  run: (parsed, io) => runExaminers(parsed, io, ({ CHECK }) => CHECK, EXIT.ok),
};
