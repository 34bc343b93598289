/** Writes stanzas of `~/.fwknoprc`. */
import { realpathSync } from 'node:fs';
import { EXIT, PersonError } from '@postern/terminal';
import { writeDurably } from '../durable.ts';
import { withLock } from '../lock.ts';
import { findStanza, type Fwknoprc, parseFwknoprc, readFwknoprc } from './rc-file.ts';
import { type Assignment, isVariable, layered } from './variables.ts';

/** Width of a name, as fwknop writes it. */
const COLUMN = 28;
const BASE64: Readonly<Record<string, string>> = {
  KEY: 'KEY_BASE64',
  HMAC_KEY: 'HMAC_KEY_BASE64',
  GPG_SIGNING_PW: 'GPG_SIGNING_PW_BASE64',
};

/**
 * The lines of a stanza. Keys that are text are written in base64, which no character of theirs can break.
 *
 * @throws PersonError for a value that fwknop would not read back
 */
export function formatStanza(name: string, assignments: readonly Assignment[]): string {
  if (!/^[^\][\s#;](?:[^\][\n\r]{0,62}[^\][\s])?$/.test(name)) {
    throw refused(`\`${name}\` cannot be the name of a stanza`, '1 to 64 characters without [ and ]');
  }
  const lines = [...layered(assignments).values()]
    .filter((assignment) => isVariable(assignment.name))
    .map((assignment) => {
      const base64 = BASE64[assignment.name];
      const [variable, value] =
        base64 === undefined
          ? [assignment.name, assignment.value]
          : [base64, Buffer.from(assignment.value, 'utf8').toString('base64')];
      if (!/^[^\s;#]+$/.test(value)) {
        throw refused(
          `${assignment.from}: a value with a space, \`;\` or \`#\` cannot be kept in a stanza`,
          'fwknop reads a value up to the first of them',
        );
      }
      return `${variable.padEnd(COLUMN - 1)} ${value}`;
    });
  return [`[${name}]`, ...lines, ''].join('\n');
}

/**
 * The text of a file with a stanza in the place of the one of that name, or at its end.
 *
 * @throws PersonError if it is there and must not be replaced
 */
export function withStanza(file: Fwknoprc, name: string, stanza: string, replace: boolean): string {
  const there = findStanza(file, name);
  if (there === undefined) {
    const before = file.text.trimEnd();
    return `${before === '' ? '[default]' : before}\n\n${stanza}`;
  }
  if (!replace) throw refused(`${file.path} has a stanza [${there.name}]`, '--force-stanza replaces it');
  const lines = file.text.split('\n');
  const last = there.entries.at(-1)?.line ?? there.line;
  // Comments behind the last variable may belong to the next stanza.
  return [...lines.slice(0, there.line - 1), ...stanza.trimEnd().split('\n'), ...lines.slice(last)].join('\n');
}

/** Puts a stanza into a file, which is made if it is not there; private, whole at any instant, and alone among writers. */
export async function saveStanza(
  typed: string,
  name: string,
  assignments: readonly Assignment[],
  replace: boolean,
): Promise<void> {
  const stanza = formatStanza(name, assignments);
  try {
    const path = target(typed);
    await withLock(`${path}.lock`, () => {
      const file = readFwknoprc(path) ?? parseFwknoprc('', path);
      writeDurably(path, withStanza(file, name, stanza, replace));
    });
  } catch (error) {
    if (error instanceof PersonError) throw error;
    const why = (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : String(error));
    throw new PersonError(`cannot write ${typed}: ${why}`, { exitCode: EXIT.configuration, cause: error });
  }
}

/** A link stays one. */
function target(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function refused(message: string, hint: string): PersonError {
  return new PersonError(message, { hint, exitCode: EXIT.configuration });
}
