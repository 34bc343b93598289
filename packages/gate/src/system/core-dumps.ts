import { readFileSync } from 'node:fs';
import * as libc from './libc.ts';

const PR_SET_DUMPABLE = 4;

/**
 * From now on no core file is written of this process, whatever the limits and core(5) say, and nobody but root looks into its memory:
 * it holds keys (prctl(2), PR_SET_DUMPABLE; the whole process, not one thread).
 *
 * @throws Error when the kernel refuses
 */
export function forbidCoreDumps(): void {
  const result = libc.prctl(PR_SET_DUMPABLE, 0);
  if (result < 0) throw new Error(`PR_SET_DUMPABLE: ${libc.errnoName(result)}`);
}

/** Process that traces this one; 0 if none does. Who traced it before the call above goes on. */
export function tracer(): number {
  return Number(/^TracerPid:\t(\d+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? 0);
}
