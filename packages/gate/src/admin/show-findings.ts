import { EXIT, type Io } from '@postern/terminal';
import type { Finding } from './finding.ts';
import type { Severity } from './severity.ts';
import { count } from './wording.ts';

/** Worst first: how a group is headed, and the colour of its first word (ECMA-48). */
const GROUPS: readonly (readonly [Severity, number])[] = [
  ['error', 31],
  ['warning', 33],
  ['note', 36],
];

/** Says findings in words, grouped by severity: what, why, and the command that mends it. */
export function showFindings(findings: readonly Finding[], io: Io): void {
  for (const [group, colour] of GROUPS) {
    const heading = io.colour ? `\u001b[${colour}m${group}\u001b[0m` : group;
    const own = findings.filter(({ severity }) => severity === group);
    for (const { what, why, mend } of own) {
      io.out(`${heading}: ${what}`);
      io.out(`  why: ${why}`);
      if (mend !== undefined) io.out(`  mend: ${mend}`);
    }
    if (own.length > 0) io.out('');
  }
  const counts = GROUPS.map(([group]) => count(findings.filter(({ severity }) => severity === group).length, group));
  io.out(findings.length === 0 ? 'nothing to mend' : counts.join(', '));
}

/** The exit code for the worst finding. @param advice - the code when there are notes and nothing worse */
export function exitCodeOf(findings: readonly Finding[], advice: number): number {
  const has = (wanted: Severity): boolean => findings.some(({ severity }) => severity === wanted);
  if (has('error')) return EXIT.failed;
  if (has('warning')) return EXIT.warnings;
  return has('note') ? advice : EXIT.ok;
}
