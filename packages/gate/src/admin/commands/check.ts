import { EXIT, type Command, type Io } from '@postern/terminal';
import type { Finding } from '../finding.ts';
import { CONFIG, configFile, JSON_OUTPUT } from '../options.ts';
import { count } from '../wording.ts';

function show(findings: readonly Finding[], io: Io): void {
  for (const { severity, what, why, mend } of findings) {
    io.out(`${severity}: ${what}`);
    io.out(`  why: ${why}`);
    if (mend !== undefined) io.out(`  mend: ${mend}`);
  }
  const of = (severity: Finding['severity']): number =>
    findings.filter((finding) => finding.severity === severity).length;
  const [errors, warnings, notes] = [of('error'), of('warning'), of('note')];
  if (findings.length > 0) io.out('');
  io.out(
    errors + warnings + notes === 0
      ? 'nothing to mend'
      : `${count(errors, 'error')}, ${count(warnings, 'warning')}, ${count(notes, 'note')}`,
  );
}

function exitCode(findings: readonly Finding[]): number {
  if (findings.some((finding) => finding.severity === 'error')) return EXIT.failed;
  return findings.some((finding) => finding.severity === 'warning') ? EXIT.warnings : EXIT.ok;
}

/** `posternd check`. */
export const check: Command = {
  name: 'check',
  summary: 'look for what does not work, is not safe, or could be better',
  description: [
    'Reads the configuration and looks at the host; changes nothing. Each finding says what it is, why it matters, and the command that mends it. Where the daemon does not run, what can be seen without it is checked.',
    'Exit code: 0 nothing to mend (notes at most), 6 warnings, 1 errors, 5 the configuration cannot be read.',
  ],
  options: [JSON_OUTPUT, CONFIG],
  examples: [
    { line: 'posternd check', does: 'shows everything that was found, the worst first' },
    { line: 'posternd check && posternd reload', does: 'reloads only what is in order' },
  ],
  run: async (parsed, io) => {
    const [{ loadConfiguration }, { ask, NotRunning }, { checkHost }] = await Promise.all([
      import('../../config/load.ts'),
      import('../client.ts'),
      import('../check-host.ts'),
    ]);
    // The file as it is now, which need not be what the daemon read.
    const configuration = loadConfiguration(configFile(parsed));
    let running = true;
    let findings: readonly Finding[];
    try {
      ({ findings } = await ask(configuration.socket, 'check', {}));
    } catch (error) {
      if (!(error instanceof NotRunning)) throw error;
      running = false;
      findings = await checkHost({ configuration, running });
    }
    if (parsed.flags.has('json')) io.out(JSON.stringify({ running, findings }));
    else show(findings, io);
    return exitCode(findings);
  },
};
