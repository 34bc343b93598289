import { placeOf, scanToml } from './positions.ts';
import { insertLinesAfter, writeEdit } from './toml-edit.ts';
import { readToml } from './toml-file.ts';

/** What posternd.toml says about whole-host mode. */
export interface DarkSetting {
  readonly dark: boolean;
  /** As `allow` and `trust` in [gate]; undefined leaves them as they are. */
  readonly allow?: readonly string[] | undefined;
  readonly trust?: readonly string[] | undefined;
}

type Entry = readonly [key: string, value: boolean | readonly string[]];

function written(value: Entry[1]): string {
  return typeof value === 'boolean' ? String(value) : `[${value.map((text) => JSON.stringify(text)).join(', ')}]`;
}

/** The text with a key of [gate] set; undefined where there is no such table header to write below. */
function edited(text: string, [key, value]: Entry): string | undefined {
  const places = scanToml(text);
  const there = placeOf(places, ['gate', key]);
  if (there !== undefined) return `${text.slice(0, there.valueAt)}${written(value)}${text.slice(there.valueEnd)}`;
  const header = placeOf(places, ['gate']);
  if (header?.kind !== 'header') return undefined;
  const last = places.findLast(({ path, kind }) => kind === 'key' && path.length >= 2 && path[0] === 'gate');
  return insertLinesAfter(text, last?.valueEnd ?? header.at, [`${key} = ${written(value)}`]);
}

/**
 * Sets what [gate] of posternd.toml says about whole-host mode and changes nothing else in it; does nothing where it says so already.
 *
 * @throws PersonError when the file cannot be written, or is written in a way that is better left alone: then with the lines to write by hand
 */
export function setDark(file: string, setting: DarkSetting): void {
  const from = readToml(file);
  const gate = (from.data['gate'] ?? {}) as Readonly<Record<string, unknown>>;
  const same = (key: string, value: Entry[1]): boolean =>
    JSON.stringify(gate[key] ?? (key === 'dark' ? false : [])) === JSON.stringify(value);
  const entries = Object.entries(setting)
    .map(([key, value]): Entry => [key, value as Entry[1]])
    .filter(([key, value]) => (value as unknown) !== undefined && !same(key, value));
  if (entries.length === 0) return;
  writeEdit(from, {
    text: entries.reduce<string | undefined>((text, entry) => text && edited(text, entry), from.text),
    change: (data) => {
      Object.assign((data['gate'] ??= {}), Object.fromEntries(entries));
    },
    byHand: { lines: entries.map(([key, value]) => `${key} = ${written(value)}`).join(', '), where: 'in [gate]' },
  });
}
