/** Files that a person named, for him alone. */
import { appendFileSync } from 'node:fs';
import { EXIT, PersonError } from '@postern/terminal';
import { writeDurably } from '../durable.ts';

/** Writes a file, mode 0600, in the place of what was there. @throws PersonError */
export function writeFwknopFile(path: string, text: string): void {
  written(path, () => {
    writeDurably(path, text);
  });
}

/** Adds to a file, which is made with mode 0600. @throws PersonError */
export function appendFwknopFile(path: string, text: string): void {
  written(path, () => {
    appendFileSync(path, text, { mode: 0o600 });
  });
}

function written(path: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new PersonError(`cannot write ${path}: ${code}`, { exitCode: EXIT.failed, cause: error });
  }
}
