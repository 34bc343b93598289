import process from 'node:process';
import { commandHelp, EXIT, type Io, type Parsed } from '@postern/terminal';
import { type FwknopLine, parseFwknopLine } from '../fwknop/command-line.ts';
import { descriptorLines, type KeyInput } from '../fwknop/keys.ts';
import { layeredSettings, rcPathOf } from '../fwknop/layers.ts';
import { readFwknoprc } from '../fwknop/rc-file.ts';
import type { Settings } from '../fwknop/variables.ts';
import { askPassphrase } from '../passphrase.ts';

/** One run of `postern fwknop`. */
export interface FwknopRun {
  readonly line: FwknopLine;
  readonly settings: Settings;
  /** Path of `~/.fwknoprc`; undefined where none is to be read. */
  readonly path: string | undefined;
  readonly input: KeyInput;
  readonly io: Io;
  /** Says something on standard error, once. */
  readonly note: (text: string) => void;
}

/** `postern fwknop`: what fwknop's client does, under its options. */
export async function runFwknop({ rest }: Parsed, io: Io): Promise<number> {
  const line = parseFwknopLine(rest);
  const { words } = line;
  if (words.has('version') || words.has('help')) return await tellProgram(words.has('help'), io);
  const path = rcPathOf(line);
  if (words.has('stanza-list')) return listStanzas(path, words.has('json'), io);
  const told = new Set<string>();
  const note = (text: string): void => {
    if (!told.has(text)) io.err(`postern: note: ${text}`);
    told.add(text);
  };
  line.notes.forEach(note);
  const settings = layeredSettings(line, path, note);
  const input: KeyInput = {
    ask: (question) => askPassphrase(question, process.env, 'a key is missing'),
    lines: descriptorLines,
  };
  const run: FwknopRun = { line, settings, path, input, io, note };
  if (words.has('show-qr')) return (await import('./fwknop-qr.ts')).showFwknopQr(run);
  const makes = words.has('key-gen') || words.has('key-gen-file');
  if (makes || words.has('save-rc-stanza')) {
    const { keepFwknop } = await import('./fwknop-keep.ts');
    await keepFwknop(run);
    // What is kept need not be a whole request.
    if (makes || !(settings.has('ACCESS') || settings.has('SERVER_CMD'))) return EXIT.ok;
  }
  return (await import('./fwknop-send.ts')).sendFwknop(run);
}

async function tellProgram(help: boolean, io: Io): Promise<number> {
  const { program } = await import('../program.ts');
  const command = program.commands.find(({ name }) => name === 'fwknop');
  if (help && command !== undefined) io.out(commandHelp(program, command, io.columns));
  else io.out(`postern ${program.version}, in the syntax and the format of fwknop 2.6.10`);
  return EXIT.ok;
}

function listStanzas(path: string | undefined, json: boolean, io: Io): number {
  const file = path === undefined ? undefined : readFwknoprc(path);
  const names = (file?.stanzas ?? []).map(({ name }) => name).filter((name) => name.toLowerCase() !== 'default');
  if (json) io.out(JSON.stringify({ file: path ?? null, stanzas: names }));
  else if (names.length > 0) io.out(names.join('\n'));
  else
    io.err(
      `postern: ${file === undefined ? `there is no ${path ?? 'file of stanzas'}` : `${file.path} has no stanza`}`,
    );
  return EXIT.ok;
}
