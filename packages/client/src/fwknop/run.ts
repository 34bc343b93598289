import type { Io } from '@postern/terminal';
import type { FwknopLine } from './command-line.ts';
import type { KeyInput } from './keys.ts';
import type { Settings } from './variables.ts';

/** One run of `postern fwknop`. */
export interface FwknopRun {
  readonly line: FwknopLine;
  readonly settings: Settings;
  /** Path of `~/.fwknoprc`; undefined where none is to be read. */
  readonly path: string | undefined;
  readonly input: KeyInput;
  readonly io: Io;
  /** Says something on standard error, once. */
  readonly note: (text: string) => void;
}
