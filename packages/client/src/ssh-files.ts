/** The two files of `postern ssh-config`: ssh's own, which gets one line, and ours, which that line includes. */
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  type Stats,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { EXIT, PersonError } from '@postern/terminal';
import { LockTimeout, withLock } from './lock.ts';
import { exposureOf, quote, syncDirectory } from './platform.ts';
import { readSections, writeSections } from './ssh-config.ts';
import { findInclude, withInclude, withoutInclude } from './ssh-include.ts';

/** Where they are. */
export interface SshFiles {
  /** What ssh reads. */
  readonly config: string;
  /** Ours. */
  readonly own: string;
  /** Ours as the `Include` line names it; a character for each byte. */
  readonly word: string;
}

type Encoding = 'utf8' | typeof BYTES;

const OWN = 'postern.conf';
/** A character for each byte, so that what is not ours stays as it is. */
const BYTES = 'latin1';
/** No configuration is longer. */
const TEXT_MAX = 4 * 1024 * 1024;

/** The files of this user (as ssh does it: at home by the user database, whatever $HOME says), or those beside `typed`, a file for `ssh -F`. */
export function sshFiles(typed: string | undefined): SshFiles {
  if (typed !== undefined) {
    const config = resolve(typed);
    const own = join(dirname(config), OWN);
    if (/["\\*?[\]\n]/.test(own))
      throw refused(`${own} cannot stand in an Include line`, 'choose a path without `"\\*?[]`');
    return { config, own, word: Buffer.from(own).toString('latin1') };
  }
  const directory = join(homeOf(), '.ssh');
  return { config: join(directory, 'config'), own: join(directory, OWN), word: OWN };
}

function homeOf(): string {
  try {
    return userInfo().homedir;
  } catch {
    return homedir(); // a user without an entry in the user database
  }
}

/** The sections that are there now. @throws PersonError if our file is not to be trusted or cannot be read */
export function currentSections({ own }: SshFiles): Map<string, string> {
  return readSections(readTrusted(own, 'utf8')?.text ?? '');
}

/** Whether ssh reads our file for every host. */
export function isIncluded({ config, word }: SshFiles): boolean {
  return findInclude(readTrusted(config, BYTES)?.text ?? '', word).kind === 'global';
}

/** What {@link changeSections} did. */
export interface Changed {
  /** False: all was as it should be. */
  readonly changed: boolean;
  /** Puts everything back as it was, unless somebody has changed it since. */
  readonly undo: () => Promise<void>;
}

/**
 * Changes the sections, and ssh's own file so that it includes ours exactly while there are any. Each file is replaced as a whole and keeps mode
 * and owner; one that is reached by a symbolic link is replaced where it is.
 *
 * @throws PersonError before anything is changed, if a file is not to be trusted, is no text, or holds our line where it would not be read
 */
export async function changeSections(
  files: SshFiles,
  change: (sections: Map<string, string>) => void,
): Promise<Changed> {
  const { config, own, word } = files;
  makeDirectory(dirname(config));
  return locked(own, () => {
    const before = { own: readTrusted(own, 'utf8'), config: readTrusted(config, BYTES) };
    const sections = readSections(before.own?.text ?? '');
    change(sections);
    const ownText = writeSections(sections);
    const configText = configFor(before.config?.text, ownText !== undefined, files);
    if (ownText === before.own?.text && configText === before.config?.text) {
      return { changed: false, undo: () => Promise.resolve() };
    }
    // Ours is there before it is included, and gone after: at no instant ssh finds the one without the other.
    if (ownText !== undefined) put(own, ownText, before.own, 'utf8');
    try {
      put(config, configText, before.config, BYTES);
    } catch (error) {
      put(own, before.own?.text, readTrusted(own, 'utf8'), 'utf8');
      throw error;
    }
    if (ownText === undefined) put(own, undefined, before.own, 'utf8');
    const undo = (): Promise<void> =>
      locked(own, () => {
        const now = { own: readTrusted(own, 'utf8'), config: readTrusted(config, BYTES) };
        if (now.config?.text === configText) put(config, before.config?.text, now.config, BYTES);
        if (now.own?.text === ownText) put(own, before.own?.text, now.own, 'utf8');
      });
    return { changed: true, undo };
  });

  function configFor(text: string | undefined, wanted: boolean, { config: path }: SshFiles): string | undefined {
    const state = findInclude(text ?? '', word);
    if (wanted && state.kind === 'conditional') {
      throw refused(
        `${path}:${state.line}: the line that includes ${word} stands below the Host or Match of line ${state.above}, so ssh reads it only for that`,
        `move \`Include ${word}\` to the top of the file, or delete it; then try again`,
      );
    }
    if (wanted) return state.kind === 'global' ? text : withInclude(text, word);
    return text === undefined ? undefined : withoutInclude(text, word);
  }
}

interface Trusted {
  readonly text: string;
  readonly stats: Stats;
  /** Without symbolic links. */
  readonly path: string;
}

/** A file as ssh would take it: of this user or root, and written by nobody else. Undefined if there is none. */
function readTrusted(path: string, encoding: Encoding): Trusted | undefined {
  try {
    const real = realpathSync(path);
    const stats = statSync(real);
    if (!stats.isFile()) throw refused(`${path} is no file`, '`--file FILE` names another configuration of ssh');
    refuseForeign(path, stats);
    if (stats.size > TEXT_MAX)
      throw refused(`${path} is longer than any configuration of ssh`, 'is it the right file?');
    const text = readFileSync(real, encoding);
    if (text.includes('\0')) throw refused(`${path} is no text: it has a byte of value zero`, 'is it the right file?');
    return { text, stats, path: real };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      if (isDangling(path))
        throw refused(`${path} is a symbolic link to a file that is not there`, 'make that file, or remove the link');
      return undefined;
    }
    throw fileError(error, path);
  }
}

function isDangling(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

function refuseForeign(path: string, { mode, uid }: Stats): void {
  const me = process.getuid?.();
  if (me === undefined) return;
  if (uid !== 0 && uid !== me) {
    throw refused(
      `${path} belongs to another user (uid ${uid}), and ssh does not take it`,
      `chown ${me} ${quote(path)}`,
    );
  }
  if ((mode & 0o022) !== 0) {
    const text = (mode & 0o777).toString(8).padStart(4, '0');
    throw refused(
      `${path} can be changed by others (mode ${text}), and ssh does not take it`,
      `chmod go-w ${quote(path)}`,
    );
  }
}

/** Replaces a file, or makes it with mode 0600, or with undefined removes it. What is there already is not touched. */
function put(path: string, text: string | undefined, before: Trusted | undefined, encoding: Encoding): void {
  if (text === before?.text) return;
  const target = before?.path ?? path;
  const directory = dirname(target);
  const temporary = join(directory, `.${basename(target)}.postern-${process.pid}`);
  try {
    if (text === undefined) {
      unlinkSync(target);
    } else {
      const descriptor = openSync(temporary, 'wx', 0o600);
      try {
        const { mode, uid, gid } = before?.stats ?? { mode: 0o600, ...ownerOf(directory) };
        if (process.getuid?.() === 0) fchownSync(descriptor, uid, gid);
        fchmodSync(descriptor, mode & 0o7777);
        writeFileSync(descriptor, text, encoding);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      renameSync(temporary, target);
    }
    syncDirectory(directory);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw fileError(error, target);
  }
}

/** With sudo, the files of a user stay the user's. */
function ownerOf(directory: string): { uid: number; gid: number } {
  const { uid, gid } = statSync(directory);
  return { uid, gid };
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const exposure = exposureOf(directory, statSync(directory));
    if (exposure !== undefined) throw refused(`${directory} ${exposure.what}`, exposure.mend);
  } catch (error) {
    throw fileError(error, directory);
  }
}

async function locked<T>(path: string, section: () => T): Promise<T> {
  try {
    return await withLock(`${path}.lock`, section);
  } catch (error) {
    if (error instanceof LockTimeout) {
      throw refused(`${path} is in use by another process`, `if no \`postern ssh-config\` runs, remove ${error.path}`);
    }
    throw fileError(error, path);
  }
}

function refused(message: string, hint: string): PersonError {
  return new PersonError(message, { hint, exitCode: EXIT.configuration });
}

function fileError(error: unknown, path: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof PersonError || code === undefined) return error;
  const reasons: Readonly<Record<string, string>> = {
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'the file system is read-only',
    ENOSPC: 'the disk is full',
  };
  return new PersonError(`cannot use ${path}: ${reasons[code] ?? code}`, {
    hint: 'nothing was changed; `--print` shows the lines, to be put where they belong by hand',
    exitCode: EXIT.configuration,
    cause: error,
  });
}
