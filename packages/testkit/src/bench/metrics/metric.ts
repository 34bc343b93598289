/** One metric of `script/bench all`. */
import type { MarkdownTable } from '../report/markdown-table.ts';

/** What a metric measures with. */
export interface Measuring {
  /** Shows progress on standard error. */
  readonly say: (line: string) => void;
  /** `performance.now()` after which it leaves out what it has not begun, and says so in its result. */
  readonly until: number;
  /** Smaller numbers of everything: to try it. */
  readonly small: boolean;
}

/** A piece of the page: lines of text, a table, or a picture. */
export type Piece =
  string | MarkdownTable | { readonly picture: string; readonly alternative: string; readonly svg: string };

/** Measures, and tells of what was measured. `T` is what is kept as JSON. */
export interface Metric<T> {
  /** Name of the file and the command. */
  readonly name: string;
  /** One line for the list. */
  readonly summary: string;
  /** Seconds that it may take. */
  readonly seconds: number;
  readonly measure: (measuring: Measuring) => Promise<T>;
  readonly title: string;
  /** The part of the page, from the JSON alone. */
  readonly tell: (result: T) => readonly Piece[];
  /** Lines for the head of the page: the ratios. */
  readonly ratios: (result: T) => readonly string[];
}
