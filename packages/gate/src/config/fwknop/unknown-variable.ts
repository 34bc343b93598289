import { nearest } from '@postern/terminal';
import type { Note } from '../import-note.ts';
import type { Variable } from './variable-line.ts';

/** What an unknown variable was meant to be, as far as a slip can be seen through. */
export function meantBy(name: string, known: readonly string[]): string | undefined {
  return nearest(name.toUpperCase(), known);
}

/** The note of a variable that fwknopd does not know: it only writes a line into its log. */
export function unknownVariable({ name, file, line }: Omit<Variable, 'value'>, near: string | undefined): Note {
  // What is spelt like no variable may be a piece of a key.
  const shown = /^[A-Za-z_]{2,40}$/.test(name) ? `\`${name}\`` : 'what stands here';
  return {
    ...{ fate: near === undefined ? 'no-meaning' : 'weak', file, line },
    text: `${shown} is unknown, to fwknopd too`,
    ...(near === undefined ? {} : { mend: [`did you mean ${near}?`] }),
  };
}
