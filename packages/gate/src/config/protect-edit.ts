import { PersonError } from '@postern/terminal';
import { placeOf, scanToml } from './positions.ts';
import { insertLinesAfter, writeEdit } from './toml-edit.ts';
import { readToml } from './toml-file.ts';

function table(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
    ? (value as Record<string, unknown>)
    : undefined;
}

/** The text with `protect` in [services.SERVICE] set; undefined where there is no such table header to write below. */
function edited(text: string, service: string, protect: boolean): string | undefined {
  const places = scanToml(text);
  const there = placeOf(places, ['services', service, 'protect']);
  if (there !== undefined) return `${text.slice(0, there.valueAt)}${protect}${text.slice(there.valueEnd)}`;
  const header = placeOf(places, ['services', service]);
  if (header?.kind !== 'header') return undefined;
  // Behind the service's last key, so that the line stands with the others and in front of what follows.
  const last = places.findLast(
    ({ path, kind }) => kind === 'key' && path.length >= 3 && path[0] === 'services' && path[1] === service,
  );
  return insertLinesAfter(text, last?.valueEnd ?? header.at, [`protect = ${protect}`]);
}

/**
 * Sets `protect` of a service in posternd.toml and changes nothing else in it; does nothing where it says so already.
 *
 * @throws PersonError when the file does not know the service, cannot be written, or is written in a way that is better left alone:
 * then with the line to write by hand
 */
export function setProtect(file: string, service: string, protect: boolean): void {
  const from = readToml(file);
  const before = table(table(from.data['services'])?.[service]);
  if (before === undefined) throw new PersonError(`${file}: there is no service ${JSON.stringify(service)} any more`);
  if ((before['protect'] ?? false) === protect) return;
  writeEdit(from, {
    text: edited(from.text, service, protect),
    change: (data) => {
      const found = table(table(data['services'])?.[service]);
      if (found !== undefined) found['protect'] = protect;
    },
    byHand: { lines: `protect = ${protect}`, where: `in [services.${service}]` },
  });
}
