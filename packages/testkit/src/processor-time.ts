/** Processor time of processes, from /proc/PID/stat. */
import { readFileSync } from 'node:fs';

/** Seconds. */
export interface ProcessorTime {
  readonly user: number;
  readonly system: number;
}

/** What processes took so far; with `children` also what those of their children took that have ended and were waited for. Steps of 10 ms. */
export function processorTime(pids: readonly number[], children: 'children' | 'alone' = 'alone'): ProcessorTime {
  const total = { user: 0, system: 0 };
  for (const pid of pids) {
    // fields 14 to 17 of proc_pid_stat(5), in ticks of 10 ms; the name before them may hold anything but a last ")"
    const fields =
      readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
        .split(') ')
        .at(-1)
        ?.split(' ') ?? [];
    const [user, system, childrenUser, childrenSystem] = fields.slice(11, 15).map((ticks) => Number(ticks) / 100);
    total.user += (user ?? 0) + (children === 'children' ? (childrenUser ?? 0) : 0);
    total.system += (system ?? 0) + (children === 'children' ? (childrenSystem ?? 0) : 0);
  }
  return total;
}
