import { EXIT, PersonError } from '@postern/terminal';
import { writeAtomically } from '../config/atomic-write.ts';
import type { FwknopKeys } from '../config/fwknop/keys-file.ts';
import { MISSING_CONFIGURATION, readGate } from '../config/load.ts';
import { parseToml, readToml } from '../config/toml-file.ts';

/**
 * Makes sure that the configuration would be one with more text at its end.
 *
 * @param what - what the text adds, for errors
 * @param fwknopKeys - keys that will be in fwknop.keys then
 * @returns what writes it
 * @throws PersonError when the whole would be wrong
 */
export function prepareAddition(config: string, text: string, what: string, fwknopKeys?: FwknopKeys): () => void {
  const before = readToml(config, MISSING_CONFIGURATION).text;
  const after = `${before.trimEnd()}\n\n${text}`;
  try {
    readGate(parseToml(config, after), fwknopKeys);
  } catch (error) {
    if (!(error instanceof PersonError)) throw error;
    throw new PersonError(`with ${what} the configuration would be wrong: ${error.message}`, {
      hint: `${error.hint === undefined ? '' : `${error.hint}; `}nothing was changed`,
      exitCode: EXIT.configuration,
    });
  }
  return () => {
    writeAtomically(config, after);
  };
}
