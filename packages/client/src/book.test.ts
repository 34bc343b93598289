import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterEach, beforeEach, test } from 'node:test';
import { firstState, secret, type UnixMicros } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';
import { HostBook } from './book.ts';
import type { Host } from './host.ts';

const FILL = join(import.meta.dirname, 'testdata/full-disk-process.ts');

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'postern-book-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function host(name: string): Host {
  const sender = firstState(new Uint8Array(8), secret(new Uint8Array(32).fill(1)));
  return {
    ...{
      name,
      seed: secret(new Uint8Array(32).fill(2)),
      gate: { x25519: new Uint8Array(32).fill(9), xwing: undefined },
    },
    ...{ addresses: ['192.0.2.1'], port: 62_201, pq: 'off', services: [], joined: 1 as UnixMicros },
    memory: { sender, formerKey: undefined, seen: new Map(), roundTrip: undefined },
    enrolment: undefined,
  };
}

test('hosts are kept, listed, found whatever their letters, changed and forgotten', async () => {
  const book = new HostBook(join(directory, 'new'));
  assert.deepEqual(book.names(), []);
  await book.put(host('web2'));
  await book.put(host('web1'));
  assert.deepEqual(book.names(), ['web1', 'web2']);
  assert.deepEqual(book.get('WEB1'), host('web1'));
  const changed = await book.update('web1', (before) => ({ ...before, port: 1 }));
  assert.equal(changed.port, 1);
  assert.equal(book.get('web1').port, 1);
  await book.remove('web1');
  assert.equal(book.find('web1'), undefined);
  assert.deepEqual(book.names(), ['web2']);
});

test('a change to nothing writes nothing', async () => {
  const book = new HostBook(directory);
  await book.put(host('web1'));
  const before = statSync(book.fileOf('web1')).ino;
  await book.update('web1', (same) => same);
  assert.equal(statSync(book.fileOf('web1')).ino, before);
  await book.update('web1', (same) => ({ ...same }));
  assert.notEqual(statSync(book.fileOf('web1')).ino, before, 'and a change replaces the file as a whole');
});

test('files and directories are private, whatever the umask', async () => {
  const umask = process.umask(0);
  try {
    const book = new HostBook(join(directory, 'new'));
    await book.put(host('web1'));
    for (const [path, mode] of [
      [book.fileOf('web1'), 0o600],
      [join(directory, 'new/hosts'), 0o700],
      [join(directory, 'new'), 0o700],
    ] as const) {
      assert.equal(statSync(path).mode & 0o777, mode, path);
    }
  } finally {
    process.umask(umask);
  }
});

test('names that are none, paths among them, are unknown', async () => {
  const book = new HostBook(directory);
  await book.put(host('web1'));
  for (const name of ['', '..', '../web1', 'web1/', 'a b', '.hidden', 'x'.repeat(64), '\u0000']) {
    assert.equal(book.find(name), undefined);
    assert.throws(() => book.get(name), PersonError);
  }
});

test('a file under another name than its own is refused, so that no two files are one device', async () => {
  const book = new HostBook(directory);
  await book.put(host('web1'));
  writeFileSync(book.fileOf('web2'), readFileSync(book.fileOf('web1')), { mode: 0o600 });
  assert.throws(() => book.get('web2'), /name: "web2" expected/);
});

test('what other programs leave in the directory is no host', async () => {
  const book = new HostBook(directory);
  await book.put(host('web1'));
  for (const name of ['web1.json.lock', 'web1.json.new', 'README', 'UPPER.json', '.json']) {
    writeFileSync(join(directory, 'hosts', name), '');
  }
  assert.deepEqual(book.names(), ['web1']);
  rmSync(join(directory, 'hosts/web1.json.lock'));
  await book.update('web1', (same) => ({ ...same, port: 2 }));
});

test('a file that others can read is refused before anything of it is used', async () => {
  const book = new HostBook(directory);
  await book.put(host('web1'));
  chmodSync(book.fileOf('web1'), 0o640);
  const refused = (error: unknown): boolean =>
    error instanceof PersonError && error.exitCode === EXIT.configuration && /chmod 600/.test(error.hint ?? '');
  assert.throws(() => book.get('web1'), refused);
  await assert.rejects(
    book.update('web1', (same) => ({ ...same })),
    refused,
  );
});

test('a full disk is said plainly, loses nothing and leaves nothing behind', (context) => {
  const words = ['--mount', '--propagation', 'private', process.execPath, '--conditions=source', FILL];
  const ran = spawnSync('unshare', words, { encoding: 'utf8', timeout: 30_000 });
  if (ran.status !== 0 && /unshare|mount/.test(ran.stderr) && process.env['CI'] !== 'true') {
    context.skip(`SKIPPED: a file system of 64 KiB needs root and mount namespaces: ${ran.stderr.trim()}`);
    return;
  }
  assert.equal(ran.status, 0, ran.stderr);
  const { error, hint, kept, files } = JSON.parse(ran.stdout) as Record<string, unknown>;
  assert.match(String(error), /^cannot use .*web1\.json.*: the disk is full$/);
  assert.match(String(hint), /^nothing was sent/);
  assert.equal(kept, true);
  assert.deepEqual(files, ['web1.json']);
});

test('a directory that cannot be made or written is said plainly', async () => {
  writeFileSync(join(directory, 'file'), '');
  const book = new HostBook(join(directory, 'file'));
  await assert.rejects(book.put(host('web1')), /^PersonError: cannot use .*: a part of the path is not a directory$/);
  assert.deepEqual(readdirSync(directory), ['file']);
});
