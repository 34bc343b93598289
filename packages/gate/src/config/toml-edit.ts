import { isDeepStrictEqual } from 'node:util';
import { EXIT, PersonError } from '@postern/terminal';
import { parse } from 'smol-toml';
import { writeAtomically } from './atomic-write.ts';
import type { TomlFile } from './toml-file.ts';

/** A change of a file that people write too: as a change of its text, and as what the file must say afterwards. */
export interface TomlEdit {
  /** The text after the change; undefined where it cannot be made by a small edit. */
  readonly text: string | undefined;
  /** Makes the same change to the parsed file. */
  readonly change: (data: Record<string, unknown>) => void;
  /** What a person must write where the edit cannot be made, and where. */
  readonly byHand: { readonly lines: string; readonly where: string };
}

function says(text: string): Record<string, unknown> | undefined {
  try {
    return parse(text, { unsafeKeyBehaviour: 'throw', maxDepth: 16 });
  } catch {
    return undefined;
  }
}

/**
 * Writes an edit, if the new text says what the old said and the change, nothing else: comments, order and spelling stay as their
 * author wrote them, and a file in a form that we did not expect is not damaged.
 *
 * @throws PersonError with the lines to write by hand where that does not hold; the file is untouched then
 */
export function writeEdit(from: TomlFile, edit: TomlEdit): void {
  const expected = says(from.text) ?? {};
  edit.change(expected);
  const got = edit.text === undefined ? undefined : says(edit.text);
  if (edit.text === undefined || !isDeepStrictEqual(got, expected)) {
    throw new PersonError(`${from.file}: is written in a way that posternd does not edit`, {
      hint: `write by hand, ${edit.byHand.where}: ${edit.byHand.lines}`,
      exitCode: EXIT.configuration,
    });
  }
  writeAtomically(from.file, edit.text);
}

/** Puts whole lines into `text` in front of the line that holds `offset`, in the file's own kind of line end. */
export function insertLines(text: string, offset: number, lines: readonly string[]): string {
  const feed = text.includes('\r\n') ? '\r\n' : '\n';
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  const before = text.slice(0, start);
  return `${before}${lines.map((line) => line + feed).join('')}${text.slice(start)}`;
}

/** Puts whole lines behind the line that holds `offset`, in the file's own kind of line end. */
export function insertLinesAfter(text: string, offset: number, lines: readonly string[]): string {
  const feed = text.includes('\r\n') ? '\r\n' : '\n';
  const end = text.indexOf('\n', offset);
  if (end === -1) return `${text}${text === '' ? '' : feed}${lines.map((line) => line + feed).join('')}`;
  return `${text.slice(0, end + 1)}${lines.map((line) => line + feed).join('')}${text.slice(end + 1)}`;
}
