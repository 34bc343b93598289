/** Everything that differs between operating systems. */
import {
  chmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  closeSync,
  readFileSync,
  readlinkSync,
  statSync,
  type Stats,
} from 'node:fs';
import { homedir, hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

/** Whether this is Windows. */
export const WINDOWS: boolean = process.platform === 'win32';

/** Variables of the environment that decide where files are. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The directory of the client's files: `$XDG_CONFIG_HOME/postern` or `~/.config/postern`, on macOS too (where ssh users look), and
 * `%APPDATA%\postern` on Windows.
 */
export function configDirectory(environment: Environment, windows: boolean = WINDOWS): string {
  const base = environment[windows ? 'APPDATA' : 'XDG_CONFIG_HOME'];
  if (base !== undefined && base !== '') return join(base, 'postern');
  return windows ? join(homedir(), 'AppData', 'Roaming', 'postern') : join(homedir(), '.config', 'postern');
}

/** What is wrong with the access that others have to a file or directory of ours, and the command that mends it. */
export interface Exposure {
  readonly what: string;
  readonly mend: string;
}

/**
 * How others could read a private file, or replace what is in a private directory; undefined if they cannot. On Windows %APPDATA% is
 * private by its inherited access list, and modes say nothing.
 */
export function exposureOf(
  path: string,
  stats: Pick<Stats, 'mode' | 'uid' | 'isDirectory'>,
  environment: { windows?: boolean; uid?: number | undefined } = {},
): Exposure | undefined {
  const { windows = WINDOWS, uid = process.getuid?.() } = environment;
  if (windows) return undefined;
  const mode = stats.mode & 0o777;
  const [wrong, right] = stats.isDirectory() ? [0o022, '700'] : [0o077, '600'];
  if ((mode & wrong) !== 0) {
    const verb = stats.isDirectory() ? 'changed' : 'read';
    return {
      what: `can be ${verb} by others (mode ${mode.toString(8).padStart(4, '0')})`,
      mend: `chmod ${right} ${quote(path)}`,
    };
  }
  if (uid !== undefined && uid !== 0 && stats.uid !== uid) {
    return { what: `belongs to another user (uid ${stats.uid})`, mend: `chown ${uid} ${quote(path)}` };
  }
  return undefined;
}

/** A word as a POSIX shell takes it literally. */
export function quote(word: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Makes a directory private, where modes mean something. */
export function makePrivate(directory: string): void {
  if (!WINDOWS) chmodSync(directory, 0o700);
}

/** Gives an open file the owner of the directory that it is in: with sudo, the files of a user stay the user's. */
export function keepOwner(descriptor: number, directory: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(directory);
  if (uid !== 0) fchownSync(descriptor, uid, gid);
}

/** Makes the names in a directory durable. Windows cannot open directories, and its renames are journalled. */
export function syncDirectory(directory: string): void {
  if (WINDOWS) return;
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * What process ids mean something in: this boot and pid namespace on Linux, elsewhere the host's name. Locks of another place cannot be
 * checked for life.
 */
export function processPlace(): string {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}

/** When a process started, in the kernel's ticks since boot, so that a later one with its pid is not taken for it; '' where unknown. */
export function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name before may hold spaces and brackets; the start is the 20th field after it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

/** Milliseconds by a clock that only goes forward. Node takes longer to load `performance.now` than a knock takes to be sealed. */
export function monotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Whether a process with this id lives. */
export function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * A name for the network that a local address is on: the address with its interface's prefix length. At another place another lease is
 * likely; where it is not, the gate's silence makes the client ask again.
 */
export function networkOf(local: string): string {
  for (const addresses of Object.values(networkInterfaces())) {
    const found = addresses?.find(({ address }) => address === local);
    if (found !== undefined) return found.cidr ?? local;
  }
  return local;
}
