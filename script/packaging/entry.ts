/** The files of a package, as values: where each goes below the prefix and what is in it. */
import { chmodSync, lutimesSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** The root of this checkout. */
export const ROOT: string = resolve(import.meta.dirname, '../..');

/** One file. */
export interface Entry {
  /** Below the prefix, without a leading slash. */
  readonly path: string;
  readonly content: Uint8Array | string;
  /** True: mode 0755, else 0644. */
  readonly executable?: boolean;
}

/** A text of `packaging/`, with `@NAME@` put in. A value of several lines stands where a line is nothing but `@NAME@`. */
export function template(name: string, values: Readonly<Record<string, string>>): string {
  const text = readFileSync(join(ROOT, 'packaging', name), 'utf8');
  return text.replaceAll(/@([A-Z]+)@/g, (mark, key: string) => values[key]?.trimEnd() ?? mark);
}

/** Writes the files below `directory`; modes and times do not depend on who does it and when. `time` is in seconds. */
export function writeTree(directory: string, entries: readonly Entry[], time: number): void {
  for (const { path, content, executable } of entries) {
    const file = join(directory, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content, { flag: 'wx' });
    chmodSync(file, executable === true ? 0o755 : 0o644);
  }
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) chmodSync(path, 0o755);
    lutimesSync(path, time, time);
  }
  chmodSync(directory, 0o755);
  lutimesSync(directory, time, time);
}
