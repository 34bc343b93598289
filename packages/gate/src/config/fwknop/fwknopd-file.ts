/** Reads a fwknopd.conf as fwknop 2.6.10 does: variables, the last value of each. */
import { EXIT, PersonError } from '@postern/terminal';
import type { Note } from '../import-note.ts';
import { MOST_FILE_CHARACTERS } from './access-file.ts';
import { DEFAULT_SETTINGS, MEANINGLESS, MEANT } from './settings.ts';
import { meantBy, unknownVariable } from './unknown-variable.ts';
import { parseVariableLine, type Variable } from './variable-line.ts';

/** What a fwknopd.conf says. */
export interface FwknopdFile {
  readonly values: ReadonlyMap<string, Variable>;
  readonly notes: readonly Note[];
}

/** Names of all variables. */
const KNOWN: readonly string[] = [...MEANT, ...Object.keys(MEANINGLESS)];

/** A variable's value, or what fwknop takes when nothing is said. */
export function settingOf({ values }: FwknopdFile, name: string): string | undefined {
  return values.get(name)?.value ?? DEFAULT_SETTINGS[name];
}

/** Reads the text of a fwknopd.conf. @throws PersonError for a file that is too long */
export function parseFwknopdFile(file: string, text: string): FwknopdFile {
  if (text.length > MOST_FILE_CHARACTERS) {
    throw new PersonError(`${file}:1: it is longer than ${MOST_FILE_CHARACTERS} characters`, {
      exitCode: EXIT.configuration,
    });
  }
  const values = new Map<string, Variable>();
  const notes: Note[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const read = parseVariableLine(raw);
    if (read === undefined) continue;
    const at = { file, line: index + 1 };
    if (read.value === '') {
      notes.push({ fate: 'no-meaning', ...at, text: 'a variable without a value: fwknopd passes it over, too' });
    } else if (!KNOWN.includes(read.name)) {
      notes.push(unknownVariable({ name: read.name, ...at }, meantBy(read.name, KNOWN)));
    } else values.set(read.name, { ...read, ...at });
  }
  return { values: expanded(values), notes };
}

/** Puts values of other variables in the place of `$VAR` at a value's beginning. Rounds are counted, as two may name each other. */
function expanded(values: ReadonlyMap<string, Variable>): ReadonlyMap<string, Variable> {
  const valueOf = (name: string): string | undefined => values.get(name)?.value ?? DEFAULT_SETTINGS[name];
  return new Map(
    [...values].map(([key, variable]) => {
      let { value } = variable;
      for (let round = 0; round < 8; round++) {
        const [whole, name = ''] = /^\$([A-Za-z0-9_]+)/.exec(value) ?? [];
        const other = whole === undefined ? undefined : valueOf(name);
        if (whole === undefined || other === undefined || other.length + value.length > 4_096) break;
        value = other + value.slice(whole.length);
      }
      return [key, { ...variable, value }];
    }),
  );
}
