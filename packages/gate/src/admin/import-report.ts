import type { Io } from '@postern/terminal';
import type { Fate, Note } from '../config/import-note.ts';

/** A note, and the door or stanza that it is about. */
export interface Reported {
  readonly note: Note;
  readonly about: string | undefined;
}

/** Shows what became of another program's configuration, on standard error: what cannot be taken over first. */
export function showReport(
  all: readonly Reported[],
  file: string,
  titles: Readonly<Partial<Record<Fate, string>>>,
  io: Io,
): void {
  const every: Readonly<Record<Fate, string>> = {
    ...{ refused: 'cannot be taken over as it is', offer: 'a grant could do it', weak: 'weak' },
    ...{ changed: 'means something else now', 'no-meaning': 'has no meaning now', carried: 'carried over' },
    ...titles,
  };
  for (const [fate, title] of Object.entries(every)) {
    const these = all.filter(({ note }) => note.fate === fate);
    if (these.length === 0) continue;
    io.err('');
    io.err(`${title}:`);
    for (const { note, about } of these) {
      const where = `${note.file ?? file}:${note.line}`;
      io.err(`  ${where}: ${about === undefined ? '' : `[${about}] `}${note.text}`);
      for (const line of note.mend ?? []) io.err(`      ${line}`);
    }
  }
}
