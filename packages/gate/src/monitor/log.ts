import { printable } from '@postern/terminal';

/** Severity of a log line, as in syslog. */
export type Level = 'info' | 'warning' | 'error';

/** Fields of a log line; undefined ones are left out. */
export type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Writes one line: what happened, then fields as `key=value`. */
export type Log = (level: Level, what: string, fields?: Fields) => void;

/** What an error says, for a log line. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown error';
}

function field(value: string | number | boolean): string {
  const text = String(value);
  return /^[\w.:/@+-]+$/.test(text) ? text : printable(JSON.stringify(text));
}

/** A log of lines; values that are not plain words are quoted and escaped as JSON, so that nothing can forge a line. */
export function makeLog(write: (line: string) => void): Log {
  return (level, what, fields = {}) => {
    const parts = Object.entries(fields).flatMap(([key, value]) =>
      value === undefined ? [] : [`${key}=${field(value)}`],
    );
    write(['posternd:', ...(level === 'info' ? [] : [`${level}:`]), printable(what), ...parts].join(' '));
  };
}
