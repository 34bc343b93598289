/** Reads a unit of systemd, and says which system calls its filter permits, by systemd's own groups. */
import { execFileSync } from 'node:child_process';

/** Settings of one section, in order; a setting may be there several times. */
export type Section = readonly (readonly [name: string, value: string])[];

/** The settings of `[name]`. */
export function section(unit: string, name: string): Section {
  const found: [string, string][] = [];
  let inside = false;
  for (const line of unit.split('\n')) {
    if (/^\s*([#;]|$)/.test(line)) continue;
    if (line.startsWith('[')) inside = line === `[${name}]`;
    else if (inside) found.push([line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]);
  }
  return found;
}

/** All values of a setting, in order. */
export function values(settings: Section, name: string): string[] {
  return settings.filter(([key]) => key === name).map(([, value]) => value);
}

/** The calls of a group, groups inside it included. */
function group(name: string): string[] {
  const text = execFileSync('systemd-analyze', ['syscall-filter', '--no-pager', name], { encoding: 'utf8' });
  const lines = text.split('\n').map((line) => line.trim());
  return lines.slice(1).flatMap((line) => (line.startsWith('@') ? group(line) : /^\w+$/.test(line) ? [line] : []));
}

/** What `SystemCallFilter=` permits (systemd.exec(5)): the first line says that it is a list of what is allowed; `~` takes away. */
export function allowedCalls(filters: readonly string[]): Set<string> {
  const allowed = new Set(group('@default'));
  for (const filter of filters) {
    const takeAway = filter.startsWith('~');
    for (const word of filter.replace('~', '').split(' ')) {
      for (const call of word.startsWith('@') ? group(word) : [word]) {
        if (takeAway) allowed.delete(call);
        else allowed.add(call);
      }
    }
  }
  return allowed;
}
