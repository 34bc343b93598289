import assert from 'node:assert/strict';
import { test } from 'node:test';
import { join } from 'node:path';
import { homedir, networkInterfaces } from 'node:os';
import type { Stats } from 'node:fs';
import process from 'node:process';
import { configDirectory, exposureOf, lives, networkOf, quote, startOf } from './platform.ts';

test('files are where XDG and Windows say, else in the home directory', () => {
  assert.equal(configDirectory({ XDG_CONFIG_HOME: '/x' }, false), join('/x', 'postern'));
  assert.equal(configDirectory({ XDG_CONFIG_HOME: '' }, false), join(homedir(), '.config', 'postern'));
  assert.equal(configDirectory({ APPDATA: '/roaming', XDG_CONFIG_HOME: '/x' }, true), join('/roaming', 'postern'));
  assert.equal(configDirectory({}, true), join(homedir(), 'AppData', 'Roaming', 'postern'));
});

function stats(mode: number, directory: boolean, uid = 1000): Pick<Stats, 'mode' | 'uid' | 'isDirectory'> {
  return { mode, uid, isDirectory: () => directory };
}

test('a file that others could read and a directory that others could change are exposed', () => {
  const me = { windows: false, uid: 1000 };
  assert.equal(exposureOf('/f', stats(0o600, false), me), undefined);
  assert.equal(exposureOf('/f', stats(0o400, false), me), undefined);
  for (const mode of [0o640, 0o604, 0o610, 0o602]) {
    assert.match(exposureOf('/f', stats(mode, false), me)?.mend ?? '', /^chmod 600 \/f$/);
  }
  assert.equal(exposureOf('/d', stats(0o700, true), me), undefined);
  assert.equal(exposureOf('/d', stats(0o755, true), me), undefined, 'others see names, no keys');
  assert.match(exposureOf('/d', stats(0o775, true), me)?.mend ?? '', /^chmod 700 \/d$/);
  assert.match(exposureOf('/f', stats(0o600, false, 5), me)?.what ?? '', /belongs to another user \(uid 5\)/);
  assert.equal(exposureOf('/f', stats(0o600, false, 5), { windows: false, uid: 0 }), undefined, 'root, as with sudo');
  assert.equal(exposureOf('/f', stats(0o666, false), { windows: true }), undefined);
});

test('a path with spaces or quotes is quoted for a shell', () => {
  assert.equal(quote("/a b/it's"), "'/a b/it'\\''s'");
});

test('a process lives and has a start, one that ended has neither', () => {
  assert.ok(lives(process.pid));
  assert.ok(!lives(4_194_305));
  assert.equal(startOf(4_194_305), '');
  if (process.platform === 'linux') assert.match(startOf(process.pid), /^[0-9]+$/);
});

test('a network is named by address and prefix length', () => {
  const [loopback] = networkInterfaces()['lo'] ?? [];
  if (loopback !== undefined) assert.equal(networkOf(loopback.address), loopback.cidr);
  assert.equal(networkOf('192.0.2.77'), '192.0.2.77');
});
