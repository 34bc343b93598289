/**
 * A file of one-time sequences, knockd's form and ours: a sequence a line (`7000,8000:udp` or `tcp/7000 udp/8000 icmp`), `#` before a line
 * that is used up or a comment. Each line opens once.
 */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { MOST_DOOR_STEPS } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';
import { writeAtomically } from './atomic-write.ts';
import { parseKnock } from './door-schema.ts';
import { fileError } from './toml-file.ts';

/** The most lines: as many as a number of two bytes tells apart. */
const MOST_LINES = 65_535;
const MOST_BYTES = 16 * 1024 * 1024;

/** A knock of a line. */
export type OneTimeKnock = NonNullable<ReturnType<typeof parseKnock>>;

/** A line that is not used up. */
export interface OneTimeLine {
  /** From 1. */
  readonly number: number;
  readonly knocks: readonly OneTimeKnock[];
}

/** Reads a word of a line: `7000`, `7000:udp`, `udp/7000`, `icmp`. */
function parseWord(word: string): OneTimeKnock | undefined {
  const [, port, protocol = 'tcp'] = /^([0-9]{1,5})(?::(tcp|udp))?$/i.exec(word) ?? [];
  return parseKnock(port === undefined ? word.toLowerCase() : `${protocol.toLowerCase()}/${Number(port)}`);
}

/**
 * The lines that are left, in their order. Of lines that say the same the first one counts, as who saw it could use the others.
 *
 * @throws PersonError `FILE:LINE: …` for a line that is no sequence
 */
export function parseOneTime(file: string, text: string): OneTimeLine[] {
  const refuse = (line: number, message: string): PersonError =>
    new PersonError(`${file}:${line}: ${message}`, {
      hint: 'a sequence a line is expected, such as 7000,8000:udp,9000 or tcp/7000 udp/8000; # begins a comment',
      exitCode: EXIT.configuration,
    });
  const lines = text.split('\n');
  if (lines.length > MOST_LINES) throw refuse(MOST_LINES, `at most ${MOST_LINES} lines are expected`);
  const seen = new Set<string>();
  return lines.flatMap((line, index) => {
    const number = index + 1;
    const words = line.split(/[\s,]+/).filter((word) => word !== '');
    if (words.length === 0 || line.trimStart().startsWith('#')) return [];
    if (words.length > MOST_DOOR_STEPS) throw refuse(number, `at most ${MOST_DOOR_STEPS} knocks are expected`);
    const knocks = words.map((word) => {
      const knock = parseWord(word);
      if (knock === undefined) throw refuse(number, `${JSON.stringify(word.slice(0, 40))} is no knock`);
      return knock;
    });
    const key = keyOf(knocks);
    if (seen.has(key)) return [];
    seen.add(key);
    return [{ number, knocks }];
  });
}

function keyOf(knocks: readonly OneTimeKnock[]): string {
  return knocks.map(({ protocol, port }) => `${protocol}/${port}`).join(' ');
}

/** The text with `#` before a line and before all that stand above it or say the same: nothing that anybody may have seen is left. */
export function strike(file: string, text: string, used: OneTimeLine): string {
  const left = parseOneTime(file, text);
  const gone = new Set(left.filter(({ number }) => number <= used.number).map(({ number }) => number));
  const keys = new Set(left.filter(({ number }) => gone.has(number)).map(({ knocks }) => keyOf(knocks)));
  return text
    .split('\n')
    .map((line, index) => {
      if (line.trim() === '' || line.trimStart().startsWith('#')) return line;
      const words = line.split(/[\s,]+/).filter((word) => word !== '');
      const key = keyOf(words.flatMap((word) => parseWord(word) ?? []));
      return gone.has(index + 1) || keys.has(key) ? `#${line}` : line;
    })
    .join('\n');
}

/** Reads a file that only its owner, root, may read: who reads it can open the door. @throws PersonError */
export function readOneTime(file: string): string {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, 'r');
    const { mode, uid, size } = fstatSync(descriptor);
    if ((mode & 0o077) !== 0 || (uid !== 0 && uid !== process.geteuid?.())) {
      throw new PersonError(
        `${file} can be read or changed by others (mode ${(mode & 0o777).toString(8).padStart(4, '0')})`,
        {
          hint: `who knows its lines can open the door: chown root ${file}; chmod 600 ${file}`,
          exitCode: EXIT.configuration,
        },
      );
    }
    if (size > MOST_BYTES) throw new PersonError(`${file} is larger than 16 MiB`, { exitCode: EXIT.configuration });
    return readFileSync(descriptor, 'utf8');
  } catch (error) {
    if (error instanceof PersonError) throw error;
    throw fileError(file, error, 'a file of one-time sequences is expected, a sequence a line');
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Writes it durably. @throws PersonError when it cannot be written; the old text is there then */
export function writeOneTime(file: string, text: string): void {
  writeAtomically(file, text);
}
