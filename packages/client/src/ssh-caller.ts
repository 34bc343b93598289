/** What is known of the ssh that called this program from its configuration. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import process from 'node:process';
import { parseSshLine, type SshLine } from './ssh-arguments.ts';

/** Variable of the environment that names the host on which `postern ssh` has knocked already. */
export const KNOCKED = 'POSTERN_KNOCKED';
/** Its value where ssh is only asked about its configuration. */
export const EVERY_HOST = '*';

/** Between ssh and us there is the user's shell, and perhaps a script or two. */
const STEPS_MAX = 5;

/**
 * The command line of the ssh that called, from /proc; undefined where there is none, or no /proc. ssh gives nothing of it to what it calls,
 * so this is how to know whether it will connect at all (`ssh -G` does not), and with which address family.
 */
export function callingSsh(pid: number = process.ppid): SshLine | undefined {
  for (let step = 0; step < STEPS_MAX && pid > 1; step++) {
    try {
      const [program = '', ...words] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
      if (basename(program) === 'ssh') return parseSshLine(words, []);
      // The name, field 2, may hold anything but a last `)`; field 4 is the parent (proc_pid_stat(5)).
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
      pid = Number(fields[1] ?? 0);
    } catch {
      return undefined;
    }
  }
  return undefined;
}

/** Whether ssh has no use for a knock on this host: it connects nowhere, or `postern ssh` has knocked. */
export function needsNoKnock(host: string, caller: SshLine | undefined): boolean {
  const knocked = process.env[KNOCKED];
  return knocked === host || knocked === EVERY_HOST || caller?.offline === true;
}
