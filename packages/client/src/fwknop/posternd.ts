/** What the client leaves to `posternd` of the same machine, as that has the bindings to the system and the drawing of QR codes. */
import { type ProgramRan, runProgramToEnd } from './run-program.ts';

const PATIENCE_MS = 20_000;
const OUTPUT_MAX = 256 * 1024;

/** Runs a command of posternd with a text as its standard input; undefined where there is none. */
export async function askPosternd(words: readonly string[], input: string): Promise<ProgramRan | undefined> {
  const ran = await runProgramToEnd('posternd', words, { input, patience: PATIENCE_MS, mostOutput: OUTPUT_MAX });
  return ran.trouble === 'ENOENT' ? undefined : ran;
}
