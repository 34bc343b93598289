/** Values and tables as TOML writes them (TOML 1.0). */

/** A text as a basic string. */
function quoted(text: string): string {
  return JSON.stringify(text).replaceAll('\u007f', '\\u007f');
}

function valueOf(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return `[${value.map(valueOf).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    return `{ ${Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([key, inner]) => `${key} = ${valueOf(inner)}`)
      .join(', ')} }`;
  }
  return String(value);
}

/** A table's lines: its header, with keys quoted where they must be, and a line for each key whose value is not undefined. */
export function tableText(path: readonly string[], table: object): string[] {
  const header = path.map((key) => (/^[A-Za-z0-9_-]+$/.test(key) ? key : quoted(key))).join('.');
  return [
    `[${header}]`,
    ...Object.entries(table)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `${key} = ${valueOf(value)}`),
  ];
}
