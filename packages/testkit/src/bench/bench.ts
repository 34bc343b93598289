/** What a benchmark is given and gives back. */
export interface Bench {
  readonly name: string;
  /** One line for the list. */
  readonly summary: string;
  /** Measures; `say` shows progress on standard error. `ok` false makes the command fail. */
  readonly run: (
    say: (line: string) => void,
  ) => Promise<{ readonly ok: boolean; readonly json: Record<string, unknown>; readonly lines: readonly string[] }>;
}
