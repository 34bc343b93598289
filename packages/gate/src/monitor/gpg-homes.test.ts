import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { PersonError } from '@postern/terminal';
import { makeGpgDirectory, MOST_KEYRING, MOST_KEYS, readKeyring, removeGpgDirectory } from './gpg-homes.ts';
import { findUser, stripped } from './sentry-user.ts';

const KEY = (index: number): string => `private-keys-v1.d/${index.toString(16).toUpperCase().padStart(40, '0')}.key`;

/** A directory for one test, with these files. */
class Place implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), 'postern-homes-'));

  constructor(files: readonly string[] = []) {
    for (const file of files) {
      mkdirSync(dirname(join(this.path, file)), { recursive: true });
      writeFileSync(join(this.path, file), `what ${file} holds`);
    }
  }

  read(): string[] {
    return readKeyring(this.path).map(({ path, data }) => `${path}: ${Buffer.from(data, 'base64').toString()}`);
  }

  refuses(message: RegExp, hint: RegExp): void {
    assert.throws(
      () => this.read(),
      (error) => error instanceof PersonError && message.test(error.message) && hint.test(error.hint ?? ''),
    );
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

test('a keyring is its public and private keys, and nothing else of its directory', () => {
  const others = [
    'gpg.conf',
    'gpg-agent.conf',
    'trustdb.gpg',
    'random_seed',
    'S.gpg-agent',
    'crls.d/x',
    'pubring.kbx~',
  ];
  using place = new Place(['pubring.kbx', KEY(1), KEY(0xab), 'private-keys-v1.d/notes', ...others]);
  assert.deepEqual(
    place.read().sort(),
    ['pubring.kbx', KEY(1), KEY(0xab)].map((path) => `${path}: what ${path} holds`).sort(),
  );
});

test('an old keyring has its private keys in one file, unless they were taken over', () => {
  using old = new Place(['pubring.gpg', 'secring.gpg']);
  assert.deepEqual(
    readKeyring(old.path).map(({ path }) => path),
    ['pubring.gpg', 'secring.gpg'],
  );
  using taken = new Place(['pubring.gpg', 'secring.gpg', '.gpg-v21-migrated', KEY(1)]);
  assert.deepEqual(
    readKeyring(taken.path).map(({ path }) => path),
    ['pubring.gpg', '.gpg-v21-migrated', KEY(1)],
  );
});

test('a directory that is none, is empty or is kept by keyboxd is an error that says what to do', () => {
  using place = new Place();
  place.refuses(/no GPG keyring/, /gpg --homedir/);
  mkdirSync(join(place.path, 'public-keys.d'));
  place.refuses(/no GPG keyring/, /keyboxd/);
  assert.throws(() => readKeyring(join(place.path, 'nowhere')), /cannot be read/);
  assert.throws(() => readKeyring('/dev/null'), /cannot be read/);
});

test('links, pipes and whatever else is no file are not read', () => {
  using place = new Place();
  symlinkSync('/etc/passwd', join(place.path, 'pubring.kbx'));
  place.refuses(/pubring.kbx cannot be read: ELOOP/, /no link/);
  rmSync(join(place.path, 'pubring.kbx'));
  assert.equal(spawnSync('mkfifo', [join(place.path, 'pubring.kbx')]).status, 0);
  place.refuses(/pubring.kbx is not a file/, /gpg --homedir/);
});

test('a keyring that is too large, in bytes or in keys, is refused', () => {
  using place = new Place(['pubring.kbx', KEY(1)]);
  truncateSync(join(place.path, 'pubring.kbx'), MOST_KEYRING - 20);
  place.refuses(/larger than 8 MiB/, /for this host alone/);
  using many = new Place(['pubring.kbx', ...Array.from({ length: MOST_KEYS + 1 }, (_, index) => KEY(index))]);
  many.refuses(/257 private keys/, /for this host alone/);
});

const nobody = findUser('nobody');
const needsRoot =
  (process.getuid?.() === 0 && nobody !== undefined) || process.env['CI'] === 'true' ? false : 'SKIPPED: needs root';

test(
  'the directory lets the helper make others, read nothing, and is removed with what is in it',
  { skip: needsRoot },
  () => {
    const user = nobody ?? assert.fail('there is no user nobody');
    using place = new Place();
    const directory = join(place.path, 'gpg');
    const as = (...command: string[]): number | null => {
      const [program, ...args] = stripped(user, command);
      return spawnSync(program, args, { stdio: 'ignore' }).status;
    };
    makeGpgDirectory(directory, user);
    assert.equal(statSync(place.path).mode & 0o777, 0o711);
    const { uid, gid, mode } = statSync(directory);
    assert.deepEqual([uid, gid, mode & 0o777], [0, user.gid, 0o730]);
    assert.equal(as('mkdir', '-m', '0700', join(directory, 'home-1'), join(directory, 'home-1/private-keys-v1.d')), 0);
    assert.notEqual(as('ls', directory), 0);
    assert.notEqual(as('ls', place.path), 0);
    makeGpgDirectory(directory, user);
    assert.deepEqual(readdirSync(directory), [], 'a new start takes away what was left');
    assert.equal(as('mkdir', '-p', join(directory, 'home-2/private-keys-v1.d')), 0);
    removeGpgDirectory(directory, user);
    assert.ok(!existsSync(directory));
    removeGpgDirectory(directory, user);
  },
);

test('a way that is closed to the helper is named', { skip: needsRoot }, () => {
  using place = new Place(['run/x']);
  chmodSync(place.path, 0o700);
  assert.throws(
    () => makeGpgDirectory(join(place.path, 'run/gpg'), nobody ?? assert.fail()),
    (error) => error instanceof PersonError && error.hint?.includes(`chmod o+x ${place.path}`) === true,
  );
});
