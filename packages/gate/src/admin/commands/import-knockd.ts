import { EXIT, PersonError, type Command, type Io } from '@postern/terminal';
import type { Import, Note } from '../../config/knockd/convert.ts';
import { CONFIG, configFile, JSON_OUTPUT } from '../options.ts';

const TITLES: Readonly<Record<Note['fate'], string>> = {
  refused: 'cannot be taken over as it is',
  offer: 'a grant could do it',
  weak: 'weak',
  changed: 'means something else now',
  'no-meaning': 'has no meaning now',
};

function showReport(all: Import, file: string, io: Io): void {
  const named = [
    ...all.notes.map((note) => ({ note, door: undefined })),
    ...all.doors.flatMap(({ from, notes }) => notes.map((note) => ({ note, door: from }))),
  ];
  for (const [fate, title] of Object.entries(TITLES)) {
    const these = named.filter(({ note }) => note.fate === fate);
    if (these.length === 0) continue;
    io.err('');
    io.err(`${title}:`);
    for (const { note, door } of these) {
      io.err(`  ${file}:${note.line}: ${door === undefined ? '' : `[${door}] `}${note.text}`);
      for (const line of note.mend ?? []) io.err(`      ${line}`);
    }
  }
}

/** Adds text to the configuration, if the whole is one then. */
async function addTo(config: string, text: string): Promise<void> {
  const [{ readGate, MISSING_CONFIGURATION }, { parseToml, readToml }, { writeAtomically }] = await Promise.all([
    import('../../config/load.ts'),
    import('../../config/toml-file.ts'),
    import('../../config/atomic-write.ts'),
  ]);
  const before = readToml(config, MISSING_CONFIGURATION).text;
  const after = `${before.trimEnd()}\n\n${text}`;
  try {
    readGate(parseToml(config, after));
  } catch (error) {
    if (!(error instanceof PersonError)) throw error;
    throw new PersonError(`with these doors the configuration would be wrong: ${error.message}`, {
      hint: `${error.hint === undefined ? '' : `${error.hint}; `}nothing was changed`,
      exitCode: EXIT.configuration,
    });
  }
  writeAtomically(config, after);
}

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
    const [{ importKnockd, KNOCKD_CONF }, { formatImport }] = await Promise.all([
      import('../../config/knockd/load.ts'),
      import('../../config/knockd/format.ts'),
    ]);
    const file = parsed.arguments['file'] ?? KNOCKD_CONF;
    const all = importKnockd(file);
    const toml = formatImport(all, file, parsed.flags.has('native'));
    const config = parsed.flags.has('write') ? configFile(parsed) : undefined;
    if (config !== undefined) await addTo(config, toml);
    if (parsed.flags.has('json')) io.out(JSON.stringify({ file, toml, written: config ?? null, ...all }));
    else {
      if (config === undefined) io.out(toml.trimEnd());
      else io.out(`added to ${config}; \`posternd check\`, then \`posternd reload\``);
      showReport(all, file, io);
    }
    return all.doors.some(({ table }) => table === undefined) ? EXIT.failed : EXIT.ok;
  },
};
