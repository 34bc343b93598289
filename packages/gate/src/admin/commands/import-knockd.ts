import { EXIT, type Command } from '@postern/terminal';
import { CONFIG, configFile, JSON_OUTPUT } from '../options.ts';

/** `posternd import knockd`. */
export const importKnockdCommand: Command = {
  name: 'import knockd',
  summary: 'turn a knockd.conf into doors of this gate',
  description: [
    'Writes the doors as TOML on standard output, and on standard error a report: what cannot be taken over, what a grant does better, what is weak, and what has another meaning or none. With `--write` the doors are added to `posternd.toml`.',
    'Commands run without a shell. One that needs a shell is refused, with the script and the arguments that do the same.',
    'A door whose command opens a port with iptables for its source can be a grant instead: with `--native` it is. Then the kernel ends it, connections that began live on, and the port has to be hidden with `posternd protect`, and let in by the rules of the host.',
    'Exit codes: 0 everything was taken over, 1 some door was not.',
  ],
  arguments: [
    { name: 'file', help: 'the configuration file of knockd; /etc/knockd.conf if not given', optional: true },
  ],
  options: [
    { name: 'native', help: 'grants in place of the iptables commands that they can stand in for' },
    { name: 'write', help: 'add the doors to posternd.toml' },
    JSON_OUTPUT,
    CONFIG,
  ],
  examples: [
    { line: 'posternd import knockd', does: 'shows what /etc/knockd.conf is here, and changes nothing' },
    { line: 'posternd import knockd --native --write && posternd reload', does: 'takes it over' },
    { line: 'posternd run --knockd /etc/knockd.conf', does: 'runs straight from it instead' },
  ],
  run: async (parsed, io) => {
    const [{ importKnockd, KNOCKD_CONF }, { formatImport }, { prepareAddition }, { showReport }] = await Promise.all([
      import('../../config/knockd/load.ts'),
      import('../../config/knockd/format.ts'),
      import('../add-to-configuration.ts'),
      import('../import-report.ts'),
    ]);
    const file = parsed.arguments['file'] ?? KNOCKD_CONF;
    const all = importKnockd(file);
    const toml = formatImport(all, file, parsed.flags.has('native'));
    const config = parsed.flags.has('write') ? configFile(parsed) : undefined;
    if (config !== undefined) prepareAddition(config, toml, 'these doors')();
    if (parsed.flags.has('json')) io.out(JSON.stringify({ file, toml, written: config ?? null, ...all }));
    else {
      if (config === undefined) io.out(toml.trimEnd());
      else io.out(`added to ${config}; \`posternd check\`, then \`posternd reload\``);
      const notes = [
        ...all.notes.map((note) => ({ note, about: undefined })),
        ...all.doors.flatMap((door) => door.notes.map((note) => ({ note, about: door.from }))),
      ];
      showReport(notes, file, {}, io);
    }
    return all.doors.some(({ table }) => table === undefined) ? EXIT.failed : EXIT.ok;
  },
};
