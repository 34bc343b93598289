import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { PersonError } from '@postern/terminal';

/** A user by its numbers. */
export interface NumericUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Looks up the user that the sentry runs as.
 * @throws PersonError when it is not in `passwd` or is root
 */
export function lookUpUser(name: string, passwd: string = readFileSync('/etc/passwd', 'utf8')): NumericUser {
  const user = findUser(name, passwd);
  if (user === undefined) {
    throw new PersonError(`the user "${name}", as whom the sentry shall run, is not in /etc/passwd`, {
      hint: `useradd --system --no-create-home --shell /usr/sbin/nologin ${name}, or set \`sentry_user\` in [gate] of posternd.toml`,
    });
  }
  const { uid, gid } = user;
  if (uid === 0 || gid === 0) {
    throw new PersonError(`the sentry may not run as "${name}": that is root${uid === 0 ? '' : "'s group"}`, {
      hint: 'set `sentry_user` in [gate] of posternd.toml to a user that owns nothing',
    });
  }
  return user;
}

/** A user of `passwd` (passwd(5)) by its name; undefined if there is none. */
export function findUser(name: string, passwd: string = readFileSync('/etc/passwd', 'utf8')): NumericUser | undefined {
  const fields = passwd
    .split('\n')
    .map((line) => line.split(':'))
    .find((entry) => entry[0] === name);
  const [uid, gid] = [numberOf(fields?.[2]), numberOf(fields?.[3])];
  return uid === undefined || gid === undefined ? undefined : { name, uid, gid };
}

/**
 * The command line that runs a program as `user` with nothing: no groups, no capabilities, no way to get privileges, and no life after
 * the thread that started it.
 * @throws PersonError when setpriv is missing
 */
export function stripped(user: NumericUser, command: readonly string[]): readonly [string, ...string[]] {
  return [
    programOf('setpriv', 'util-linux'),
    `--reuid=${String(user.uid)}`,
    `--regid=${String(user.gid)}`,
    '--clear-groups',
    '--bounding-set=-all',
    '--inh-caps=-all',
    '--ambient-caps=-all',
    '--no-new-privs',
    '--pdeathsig=KILL',
    '--',
    ...command,
  ];
}

/**
 * Makes sure that `user` can read `files`, which it could not in a checkout under a directory of root's.
 * @throws PersonError that names the file and the directory in the way
 */
export function mustRead(user: NumericUser, files: readonly string[]): void {
  const test = programOf('test', 'coreutils');
  for (const file of files) {
    const [setpriv, ...args] = stripped(user, [test, '-r', file]);
    if (spawnSync(setpriv, args, { stdio: 'ignore', env: {} }).status === 0) continue;
    const barrier = barrierTo(user, realpathSync(file));
    throw new PersonError(`the sentry's user "${user.name}" cannot read ${file}: ${barrier} is closed to it`, {
      hint: `put the program where everybody can read it (/usr/lib, /opt, /srv), or: chmod o+rX ${barrier}`,
    });
  }
}

/** The first directory on the way to `file` that its mode closes to the user, or the file itself. */
export function barrierTo(user: NumericUser, file: string): string {
  const way: string[] = [];
  for (let at = dirname(file); at !== dirname(at); at = dirname(at)) way.unshift(at);
  return way.find((directory) => !mayEnter(user, directory)) ?? file;
}

function mayEnter({ uid, gid }: NumericUser, directory: string): boolean {
  const status = statSync(directory);
  const shift = status.uid === uid ? 6 : status.gid === gid ? 3 : 0;
  return ((status.mode >> shift) & 1) === 1;
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9]+$/.test(text) ? Number(text) : undefined;
}

/**
 * Path of a program that every host has, by the name of it and of its package.
 * @throws PersonError when it is not there
 */
export function programOf(name: string, from: 'util-linux' | 'coreutils'): string {
  const found = [`/usr/bin/${name}`, `/bin/${name}`].find((path) => existsSync(path));
  if (found === undefined)
    throw new PersonError(`${name} was not found in /usr/bin`, { hint: `install the package ${from}` });
  return found;
}
