/** Lines of fwknop's configuration files: `VARIABLE value;`. */

/** A value and where it stands. */
export interface Variable {
  readonly name: string;
  readonly value: string;
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

/**
 * Reads one line. A colon may follow the name; the value ends at a semicolon or with the line, and what comes after a semicolon is passed over, as fwknop 2.6.10
 * does. Undefined for a line that says nothing; a value that is missing is an empty text.
 */
export function parseVariableLine(line: string): { readonly name: string; readonly value: string } | undefined {
  const text = line.trim();
  if (text === '' || text.startsWith('#') || text.startsWith(';')) return undefined;
  const gap = text.search(/\s/);
  const first = gap < 0 ? text.replace(/;.*$/, '') : text.slice(0, gap);
  const rest = gap < 0 ? '' : text.slice(gap);
  const end = rest.indexOf(';');
  return { name: first.replace(/:$/, ''), value: (end < 0 ? rest : rest.slice(0, end)).trim() };
}

/** fwknop's truth: a value that begins with a Y, in either case. */
export function isYes(value: string | undefined): boolean {
  return value !== undefined && /^y/i.test(value);
}
