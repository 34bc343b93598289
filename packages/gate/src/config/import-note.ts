/** What became of something in another program's configuration that was taken over. */
export type Fate = 'carried' | 'changed' | 'no-meaning' | 'weak' | 'refused' | 'offer';

/** One line of the report of an import. */
export interface Note {
  readonly fate: Fate;
  /** File in which it stands, where that is another one than the report is about. */
  readonly file?: string;
  /** Line, from 1. */
  readonly line: number;
  readonly text: string;
  /** What to do: lines, as they can be copied. */
  readonly mend?: readonly string[];
}
