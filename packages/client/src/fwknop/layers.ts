/** Lays [default], the stanza and the command line over each other. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { EXIT, PersonError } from '@postern/terminal';
import type { FwknopLine } from './command-line.ts';
import { assignmentsOf, findStanza, type Fwknoprc, type RcStanza, readFwknoprc, remarksOf } from './rc-file.ts';
import { switchOf } from './read-setting.ts';
import { layered, type Settings } from './variables.ts';

/** The file of stanzas, by what was typed; undefined where none is to be read. */
export function rcPathOf({ words }: Pick<FwknopLine, 'words'>): string | undefined {
  if (words.has('no-rc-file')) return undefined;
  const typed = words.get('rc-file');
  if (typed !== undefined) return typed;
  return words.has('no-home-dir') ? undefined : join(process.env['HOME'] ?? homedir(), '.fwknoprc');
}

/** The settings; what is odd about them is said. @throws PersonError if there is no such stanza, or it cannot be read */
export function layeredSettings(
  { words, assignments }: FwknopLine,
  path: string | undefined,
  note: (text: string) => void,
): Settings {
  // A stanza that is being written need not be there, and what it had does not count.
  const name = words.has('save-rc-stanza') ? undefined : words.get('named-config');
  const file = path === undefined ? undefined : readFwknoprc(path);
  if (file === undefined && name !== undefined) {
    throw new PersonError(path === undefined ? '-n needs a file of stanzas' : `there is no ${path}`, {
      hint: '`--save-rc-stanza -n NAME` makes one; --rc-file names another',
      exitCode: EXIT.configuration,
    });
  }
  const stanzas =
    file === undefined
      ? []
      : [findStanza(file, 'default'), ...(name === undefined ? [] : [namedStanza(file, name)])].filter(
          (stanza) => stanza !== undefined,
        );
  const layers = stanzas.map((stanza) => (file === undefined ? [] : assignmentsOf(file, stanza)));
  for (const stanza of stanzas) if (file !== undefined) remarksOf(file, stanza).forEach(note);
  const settings = layered(...layers, assignments);
  if (switchOf(settings, 'RESOLVE_HTTP_ONLY')) note('the page is asked by HTTPS, whatever RESOLVE_HTTP_ONLY says');
  if (settings.has('WGET_CMD')) note('no wget is run: this program asks the page itself');
  return settings;
}

/** The stanza of a name. @throws PersonError if there is none */
export function namedStanza(file: Fwknoprc, name: string): RcStanza {
  const stanza = findStanza(file, name);
  if (stanza !== undefined) return stanza;
  throw new PersonError(`${file.path} has no stanza [${name}]`, {
    hint: `it has: ${file.stanzas.map((known) => known.name).join(', ') || 'none'}`,
    exitCode: EXIT.configuration,
  });
}
