/** Memory of processes, from /proc/PID/smaps_rollup. */
import { readFileSync } from 'node:fs';

/** Proportional set size of processes together, MB. */
export function proportionalMemory(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const found = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${String(pid)}/smaps_rollup`, 'utf8'));
    return sum + Number(found?.[1] ?? 0) / 1024;
  }, 0);
}
