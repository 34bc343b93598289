import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  linkSync,
  openSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { PersonError } from '@postern/terminal';
import { errorCode, fileError } from './toml-file.ts';

/** How to write. */
export interface WriteOptions {
  /** Permissions; those of the file that is there already when absent, 0600 when there is none. */
  readonly mode?: number;
  /** Refuse when the file exists; decided by the kernel in one step. */
  readonly fresh?: boolean;
}

function existing(file: string): { path: string; mode: number; uid: number; gid: number } | undefined {
  try {
    const path = realpathSync(file);
    const { mode, uid, gid } = statSync(path);
    return { path, mode: mode & 0o7777, uid, gid };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw fileError(file, error);
  }
}

function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Writes a file so that after a crash or power loss at any instant either the old content is there or the new, whole and durable. A
 * symbolic link stays one and its target is replaced; owner and permissions stay.
 *
 * @throws PersonError when it cannot be written (full disk, read-only, no such directory); the old content is untouched then
 */
export function writeAtomically(file: string, text: string, options: WriteOptions = {}): void {
  const before = existing(file);
  const target = before?.path ?? file;
  const draft = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}.tmp`);
  let drafted = false;
  try {
    const fd = openSync(draft, 'wx', 0o600);
    drafted = true;
    try {
      const bytes = Buffer.from(text, 'utf8');
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
      if (before !== undefined) keepOwner(fd, before);
      fchmodSync(fd, options.mode ?? before?.mode ?? 0o600);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    if (options.fresh === true) {
      // Unlike a rename, a link never replaces what is there.
      linkSync(draft, target);
      unlinkSync(draft);
    } else renameSync(draft, target);
    drafted = false;
    syncDirectory(dirname(target));
  } catch (error) {
    if (drafted) discard(draft);
    if (errorCode(error) === 'EEXIST') throw exists(file);
    throw writeError(file, error);
  }
}

function keepOwner(fd: number, before: { uid: number; gid: number }): void {
  try {
    fchownSync(fd, before.uid, before.gid);
  } catch (error) {
    // Without CAP_CHOWN the file becomes ours: it says the same, and losing the change would be worse.
    if (errorCode(error) !== 'EPERM') throw error;
  }
}

function discard(draft: string): void {
  try {
    unlinkSync(draft);
  } catch {
    // The error that brought us here says more.
  }
}

function exists(file: string): PersonError {
  return new PersonError(`${file}: exists already`, { hint: 'nothing was changed' });
}

const WRITE_HINTS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: nothing was changed',
  EDQUOT: 'the quota is used up: nothing was changed',
  EROFS: 'the file system is read-only: nothing was changed',
  EACCES: 'run the command as root',
  EPERM: 'run the command as root',
  ENOENT: 'its directory does not exist',
};

function writeError(file: string, error: unknown): PersonError {
  const code = errorCode(error);
  if (code === undefined) throw error;
  return new PersonError(`${file}: cannot be written: ${code}`, { hint: WRITE_HINTS[code], cause: error });
}
