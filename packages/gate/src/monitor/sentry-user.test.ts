import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { PersonError } from '@postern/terminal';
import { lookUpUser, mustRead, stripped } from './sentry-user.ts';

const PASSWD =
  'root:x:0:0:root:/root:/bin/sh\nposternd:x:990:991::/nonexistent:/usr/sbin/nologin\nbroken:x::\nalias:x:0:5::/:/\n';

test('a user is known by its numbers', () => {
  assert.deepEqual(lookUpUser('posternd', PASSWD), { name: 'posternd', uid: 990, gid: 991 });
});

test('an unknown user is an error that says how to make it', () => {
  for (const name of ['nemo', 'broken', '']) {
    assert.throws(
      () => lookUpUser(name, PASSWD),
      (error) =>
        error instanceof PersonError && error.message.includes(`"${name}"`) && /useradd/.test(error.hint ?? ''),
    );
  }
});

test('the sentry does not run as root, whatever root is called', () => {
  for (const name of ['root', 'alias']) assert.throws(() => lookUpUser(name, PASSWD), /that is root/);
});

test('the command line takes everything away before it runs the program', () => {
  const [program, ...args] = stripped({ name: 'x', uid: 990, gid: 991 }, ['node', 'main.js']);
  assert.match(program, /setpriv$/);
  assert.deepEqual(args.slice(-3), ['--', 'node', 'main.js']);
  for (const flag of ['--reuid=990', '--regid=991', '--clear-groups', '--no-new-privs', '--pdeathsig=KILL']) {
    assert.ok(args.includes(flag));
  }
});

const needsRoot =
  process.getuid?.() === 0 || process.env['CI'] === 'true' ? false : 'SKIPPED: needs root to become nobody';

test(
  'a program in a directory that is closed to the sentry is an error that names the directory',
  { skip: needsRoot },
  () => {
    const directory = mkdtempSync(join(tmpdir(), 'postern-closed-'));
    try {
      chmodSync(directory, 0o755);
      const closed = join(directory, 'closed');
      const file = join(closed, 'inner', 'main.js');
      mkdirSync(join(closed, 'inner'), { recursive: true });
      writeFileSync(file, '');
      const nobody = lookUpUser('nobody');
      mustRead(nobody, [file]);
      chmodSync(closed, 0o700);
      assert.throws(
        () => {
          mustRead(nobody, [file]);
        },
        (error) =>
          error instanceof PersonError &&
          error.message === `the sentry's user "nobody" cannot read ${file}: ${closed} is closed to it` &&
          error.hint?.includes('chmod o+rX') === true,
      );
      chmodSync(closed, 0o755);
      chmodSync(file, 0o600);
      assert.throws(
        () => {
          mustRead(nobody, [file]);
        },
        new RegExp(`cannot read ${file}: ${file} is closed`),
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
);
