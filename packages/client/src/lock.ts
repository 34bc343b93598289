/** A lock between processes that is a file: made exclusively, removed by its holder, taken from holders that died. */
import { closeSync, openSync, readFileSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import process from 'node:process';
import { lives, monotonic, processPlace, startOf } from './platform.ts';

/** A lock from a place whose processes we cannot see, or without a holder's name, is dead after this time. Sections take milliseconds. */
const UNSEEN_MS = 30_000;

/** The lock could not be had in time; `holder` is the pid that has it, if it is known. */
export class LockTimeout extends Error {
  readonly path: string;
  readonly holder: number | undefined;

  constructor(path: string, holder: number | undefined) {
    super(`${path} is held${holder === undefined ? '' : ` by process ${holder}`}`);
    this.path = path;
    this.holder = holder;
  }
}

interface Holder {
  /** Unlike for every lock that was ever made. */
  readonly token: string;
  readonly pid: number | undefined;
  readonly dead: boolean;
}

/**
 * Runs `section` while this process alone holds the lock at `path`. The section must be quick and synchronous.
 *
 * @throws LockTimeout after `patience` milliseconds; errors of the file system as they come
 */
export async function withLock<T>(path: string, section: () => T, patience = 10_000): Promise<T> {
  const end = monotonic() + patience;
  for (let wait = 1; !tryLock(path, 0); wait = Math.min(2 * wait, 16)) {
    if (monotonic() > end) throw new LockTimeout(path, holderOf(path)?.pid);
    await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random())));
  }
  try {
    return section();
  } finally {
    unlinkSync(path);
  }
}

/**
 * A dead holder's lock is removed under a second lock, whose name comes from the dead lock's token: whoever comes late finds another
 * token in the file, and keeps its hands off. The second lock's holder may die too, so it is taken in the same way.
 */
function tryLock(path: string, depth: number): boolean {
  if (make(path)) return true;
  const holder = holderOf(path);
  if (holder?.dead !== true || depth > 3) return false;
  const guard = `${path}.${holder.token}`;
  if (!tryLock(guard, depth + 1)) return false;
  try {
    if (holderOf(path)?.token === holder.token) unlinkSync(path);
  } finally {
    unlinkSync(guard);
  }
  return make(path);
}

function make(path: string): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'wx', 0o600);
  } catch (error) {
    if (isBusy(error)) return false;
    throw error;
  }
  try {
    const { pid } = process;
    writeSync(descriptor, `${[randomBytes(8).toString('hex'), pid, startOf(pid), processPlace()].join('\t')}\n`);
    return true;
  } catch (error) {
    unlinkSync(path);
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

/** Windows says EPERM or EACCES while a file of that name is being removed. */
function isBusy(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EEXIST' || (process.platform === 'win32' && (code === 'EPERM' || code === 'EACCES'));
}

/** Undefined if nobody holds it. */
function holderOf(path: string): Holder | undefined {
  let text: string;
  let age: number;
  let token: string;
  try {
    const { ino, mtimeMs } = statSync(path);
    text = readFileSync(path, 'utf8');
    age = Date.now() - mtimeMs;
    token = `${ino}-${Math.round(mtimeMs)}`;
  } catch {
    return undefined;
  }
  const [name = '', pidText = '', start = '', place] = text.endsWith('\n') ? text.slice(0, -1).split('\t') : [];
  const pid = Number(pidText);
  if (!/^[0-9a-f]{16}$/.test(name) || !Number.isInteger(pid) || pid < 1) {
    return { token, pid: undefined, dead: age > UNSEEN_MS };
  }
  if (place !== processPlace()) return { token: name, pid, dead: age > UNSEEN_MS };
  return { token: name, pid, dead: !lives(pid) || startOf(pid) !== start };
}
