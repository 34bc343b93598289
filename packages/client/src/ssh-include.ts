/** The line in ssh's own configuration that makes it read ours: put in, found, and taken out again byte for byte. Pure. */

const COMMENT = '# Postern: `postern ssh-config` keeps this line; it must stand above every Host and Match.';

/** How our `Include` line stands in a file. */
export type IncludeState =
  | { readonly kind: 'absent' }
  /** It holds for every host. */
  | { readonly kind: 'global' }
  /** It holds only for what a `Host` or `Match` above it, in line `above` (from 1), says. */
  | { readonly kind: 'conditional'; readonly line: number; readonly above: number };

/** Looks for an `Include` of `word`, as ssh reads the file. */
export function findInclude(text: string, word: string): IncludeState {
  let condition: number | undefined;
  for (const [i, line] of text.split('\n').entries()) {
    const [keyword = '', ...values] = wordsOf(line);
    switch (keyword.toLowerCase()) {
      case 'host':
      case 'match': {
        const [first = ''] = values;
        const everything =
          values.length === 1 && first.toLowerCase() === (keyword.toLowerCase() === 'host' ? '*' : 'all');
        condition = everything ? undefined : i + 1;
        break;
      }
      case 'include':
        if (!values.includes(word)) break;
        return condition === undefined ? { kind: 'global' } : { kind: 'conditional', line: i + 1, above: condition };
    }
  }
  return { kind: 'absent' };
}

/** Keyword and values of a line: `Key value`, `Key=value`, values in quotes. */
function wordsOf(line: string): string[] {
  const [, keyword = '', rest = ''] = /^\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*)$/.exec(line) ?? [];
  if (keyword === '') return [];
  return [keyword, ...[...rest.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')];
}

/** `text` with the line at its top; undefined: there was no file. */
export function withInclude(text: string | undefined, word: string): string {
  return `${linesFor(word)}${text === undefined ? '' : `\n${text}`}`;
}

/** `text` without the line, undefined if there was no file before; `text` itself where the line is not as we wrote it. */
export function withoutInclude(text: string, word: string): string | undefined {
  const lines = linesFor(word);
  if (text === lines) return undefined;
  // Its owner may have written above it meanwhile.
  const at = text.startsWith(lines) ? 0 : text.indexOf(`\n${lines}`) + 1;
  if (at === 0 && !text.startsWith(lines)) return text;
  const rest = text.slice(at + lines.length);
  return text.slice(0, at) + (rest.startsWith('\n') ? rest.slice(1) : rest);
}

function linesFor(word: string): string {
  return `${COMMENT}\nInclude ${/\s/.test(word) ? `"${word}"` : word}\n`;
}
