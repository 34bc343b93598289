import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, nearest, PersonError } from '@postern/terminal';
import { exposureOf } from '../platform.ts';

/** Name of the file of sequences in the client's directory: a JSON object, `{ "front": "tcp/7000,udp/8000" }`. */
export const DOOR_FILE = 'doors.json';

/**
 * The sequence that is kept under a name, as it is written. Whoever reads the file can knock, so it must be private.
 *
 * @throws PersonError if there is none, or others could read it
 */
export function readDoor(directory: string, name: string): string {
  const path = join(directory, DOOR_FILE);
  const form = `a file for you alone (mode 0600), with names and sequences: {"${name}": "tcp/7000,udp/8000,icmp"}`;
  const doors = parse(path, form);
  if (Object.hasOwn(doors, name)) {
    const sequence = doors[name];
    if (typeof sequence === 'string') return sequence;
    throw wrong(`${path}: ${name}: a text expected`, form);
  }
  const near = nearest(name, Object.keys(doors));
  const hint =
    near === undefined ? `it has: ${Object.keys(doors).join(', ') || 'nothing'}` : `did you mean \`${near}\`?`;
  throw wrong(`there is no door ${JSON.stringify(name)} in ${path}`, hint);
}

function parse(path: string, form: string): Readonly<Record<string, unknown>> {
  let text: string;
  try {
    const exposure = exposureOf(path, statSync(path));
    if (exposure !== undefined) {
      throw wrong(`${path} ${exposure.what}, and whoever reads it can knock`, `\`${exposure.mend}\` makes it private`);
    }
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof PersonError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw wrong(`there is no ${path}`, `write it: ${form}`);
    throw wrong(`cannot read ${path}: ${code ?? String(error)}`, undefined);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // What JSON.parse says shows a piece of the text.
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw wrong(`${path} is not a JSON object`, form);
}

function wrong(message: string, hint: string | undefined): PersonError {
  return new PersonError(message, { hint, exitCode: EXIT.configuration });
}
