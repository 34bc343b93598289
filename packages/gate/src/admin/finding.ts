import type { FindingCode } from './finding-table.ts';
import type { Severity } from './severity.ts';

/** One thing that `posternd check` or `posternd doctor` found: what, why it matters, and the command that mends it. */
export interface Finding {
  readonly severity: Severity;
  /** Stable name for scripts, kebab-case; `finding-table.ts` lists them all. */
  readonly code: FindingCode;
  /** What was found: lower case, no full stop. */
  readonly what: string;
  /** Why it matters: lower case, no full stop. */
  readonly why: string;
  /** A command to run, or what to do in words; absent where there is nothing to mend. */
  readonly mend?: string | undefined;
  /** The same in numbers, for programs: only with `--json`. */
  readonly figures?: Readonly<Record<string, unknown>> | undefined;
}

const ORDER: readonly Severity[] = ['error', 'warning', 'note'];

/** The worst findings first; those of one severity as they were found. */
export function bySeverity(findings: readonly Finding[]): Finding[] {
  return findings.toSorted((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
}
