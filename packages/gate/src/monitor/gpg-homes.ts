/**
 * Keyrings for the GPG helper. They belong to root and the helper may not read them; the monitor may give no file away (it has no CAP_CHOWN).
 * So it reads what gpg needs and tells the helper, which writes it into a directory of its own, below one that only its group can write to.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { PersonError } from '@postern/terminal';
import type { GpgFile } from '../line/gpg-setup.ts';
import { barrierTo, programOf, stripped, type NumericUser } from './sentry-user.ts';

/** The largest keyring, all its files together, in bytes. */
export const MOST_KEYRING: number = 8 << 20;

/** The most private keys of a keyring. */
export const MOST_KEYS = 256;

const PRIVATE = 'private-keys-v1.d';
/** Present where private keys were taken over from `secring.gpg`, which then is old. */
const MIGRATED = '.gpg-v21-migrated';

/**
 * Reads the keyring of a directory as gpg(1) lays it out, but for settings, trust and sockets. Symbolic links are not followed.
 * @throws PersonError when there is none, it cannot be read, it is too large, or another program keeps it (keyboxd)
 */
export function readKeyring(home: string): readonly GpgFile[] {
  const names = list(home);
  if (names === undefined) {
    throw new PersonError(`the GPG keyring ${home} cannot be read`, {
      hint: `it must be a directory of root's; as a systemd service, posternd sees no home directory: cp -a ${home} /etc/postern/gnupg, and name that`,
    });
  }
  const wanted = ['pubring.kbx', 'pubring.gpg', ...(names.includes(MIGRATED) ? [MIGRATED] : ['secring.gpg'])];
  const keys = (list(join(home, PRIVATE)) ?? []).filter((name) => /^[0-9A-F]{40}\.key$/.test(name));
  if (!names.includes('pubring.kbx') && !names.includes('pubring.gpg')) {
    const keyboxd = existsSync(join(home, 'public-keys.d'));
    throw new PersonError(`there is no GPG keyring in ${home}: neither pubring.kbx nor pubring.gpg`, {
      hint: keyboxd
        ? 'its public keys are kept by keyboxd: make a keyring without `use-keyboxd` in common.conf, and import the keys there'
        : 'name the directory that gpg --homedir takes',
    });
  }
  if (keys.length > MOST_KEYS) {
    throw new PersonError(`the GPG keyring ${home} has ${keys.length} private keys, more than ${MOST_KEYS}`, {
      hint: OWN,
    });
  }
  let room = MOST_KEYRING;
  return [...wanted.filter((name) => names.includes(name)), ...keys.map((name) => join(PRIVATE, name))].map((path) => {
    const bytes = readBounded(join(home, path), room);
    room -= bytes.length;
    return { path, data: bytes.toString('base64') };
  });
}

const OWN = 'make a keyring for this host alone, with its own key and the public keys of those who may come in';

function list(directory: string): string[] | undefined {
  try {
    return readdirSync(directory);
  } catch {
    return undefined;
  }
}

function readBounded(file: string, most: number): Buffer {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unknown error';
    throw new PersonError(`${file} cannot be read: ${why}`, { hint: "it must be a file of root's, and no link" });
  }
  try {
    const status = fstatSync(fd);
    if (!status.isFile())
      throw new PersonError(`${file} is not a file`, { hint: 'name the directory that gpg --homedir takes' });
    if (status.size > most)
      throw new PersonError(`the GPG keyring with ${file} is larger than ${MOST_KEYRING >> 20} MiB`, { hint: OWN });
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Makes a directory in which members of `user`'s group may make others, and nobody else anything; removes first what is there.
 * The directory above is opened to who passes through (mode 0711), no more.
 * @throws PersonError when the user cannot reach it
 */
export function makeGpgDirectory(directory: string, user: NumericUser): void {
  removeGpgDirectory(directory, user);
  const above = dirname(directory);
  const mode = statSync(above).mode & 0o7777;
  if ((mode & 0o001) === 0) chmodSync(above, mode | 0o011);
  const barrier = barrierTo(user, directory);
  if (barrier !== directory) {
    throw new PersonError(`the user "${user.name}" cannot reach ${directory}: ${barrier} is closed to it`, {
      hint: `set \`socket\` in posternd.toml to a place that can be reached, or: chmod o+x ${barrier}`,
    });
  }
  // A file gets the group of who makes it: giving it away takes CAP_CHOWN.
  const setpriv = programOf('setpriv', 'util-linux');
  const group = [
    `--regid=${String(user.gid)}`,
    '--clear-groups',
    '--',
    programOf('mkdir', 'coreutils'),
    '-m',
    '0730',
    '--',
    directory,
  ];
  const made = spawnSync(setpriv, group, { stdio: ['ignore', 'ignore', 'pipe'], env: {}, encoding: 'utf8' });
  if (made.status !== 0) throw new PersonError(`${directory} cannot be made`, { hint: made.stderr.trim() });
}

/** Removes the directory and what the helper left in it. What cannot be removed stays; the next start tries again. */
export function removeGpgDirectory(directory: string, user: NumericUser): void {
  const names = list(directory);
  if (names === undefined) return;
  const paths = names.map((name) => join(directory, name));
  // As the helper's user: root without its capabilities cannot look into somebody else's directory.
  const [setpriv, ...args] = stripped(user, [programOf('rm', 'coreutils'), '-rf', '--', ...paths]);
  if (paths.length > 0) spawnSync(setpriv, args, { stdio: 'ignore', env: {} });
  try {
    rmdirSync(directory);
  } catch {
    // A helper that is just ending wrote into it.
  }
}
