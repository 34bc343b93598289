import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterEach, beforeEach, test } from 'node:test';
import { LockTimeout, withLock } from './lock.ts';
import { processPlace, startOf } from './platform.ts';

const PROCESS = join(import.meta.dirname, 'testdata/lock-process.ts');
const NOBODY = 4_194_305;

let directory = '';
let lock = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'postern-lock-'));
  lock = join(directory, 'a.lock');
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function hold(pid: number, start: string, place: string = processPlace()): void {
  writeFileSync(lock, `${['0123456789abcdef', pid, start, place].join('\t')}\n`);
}

async function add(file: string, count: number, end = ''): Promise<void> {
  const child = spawn(process.execPath, ['--conditions=source', PROCESS, file, String(count), end], {
    stdio: 'inherit',
  });
  await once(child, 'exit');
}

test('a section runs alone, and leaves nothing behind also when it throws', async () => {
  let inside = 0;
  await Promise.all(
    Array.from({ length: 50 }, () =>
      withLock(lock, () => {
        assert.equal(inside++, 0);
        inside--;
      }),
    ),
  );
  await assert.rejects(
    withLock(lock, () => {
      throw new Error('in the section');
    }),
    /in the section/,
  );
  assert.deepEqual(readdirSync(directory), []);
});

test(
  'no addition of six processes is lost, though three of them are killed while they hold the lock',
  { timeout: 60_000 },
  async () => {
    const file = join(directory, 'number');
    writeFileSync(file, '0');
    await Promise.all([1, 2, 3, 4, 5, 6].map((i) => add(file, 20, i > 3 ? 'die' : '')));
    assert.equal(readFileSync(file, 'utf8'), '120');
    await withLock(`${file}.lock`, () => undefined);
    assert.deepEqual(readdirSync(directory), ['number']);
  },
);

test('a dead holder is taken over by one of many takers at a time', { timeout: 60_000 }, async () => {
  const file = join(directory, 'number');
  for (let round = 0; round < 5; round++) {
    writeFileSync(file, '0');
    lock = `${file}.lock`;
    hold(NOBODY, '1');
    await Promise.all([1, 2, 3, 4].map(() => add(file, 1)));
    assert.equal(readFileSync(file, 'utf8'), '4');
  }
});

test('a taker that died on its way is taken over too', async () => {
  hold(NOBODY, '1');
  writeFileSync(`${lock}.0123456789abcdef`, `${['fedcba9876543210', NOBODY, '1', processPlace()].join('\t')}\n`);
  await withLock(lock, () => undefined);
  assert.deepEqual(readdirSync(directory), []);
});

test('a taker that comes late finds another holder, and leaves it alone', async () => {
  // Somebody else is just taking the dead lock: while it does, nobody may touch it.
  hold(NOBODY, '1');
  writeFileSync(
    `${lock}.0123456789abcdef`,
    `${['fedcba9876543210', process.pid, startOf(process.pid), processPlace()].join('\t')}\n`,
  );
  await assert.rejects(
    withLock(lock, () => undefined, 50),
    LockTimeout,
  );
  assert.ok(existsSync(lock));
});

test('a living holder keeps its lock however long, and is named', async () => {
  hold(process.pid, startOf(process.pid));
  const old = new Date(Date.now() - 86_400_000);
  utimesSync(lock, old, old);
  await assert.rejects(
    withLock(lock, () => undefined, 50),
    (error) => error instanceof LockTimeout && error.holder === process.pid,
  );
});

test(
  'a later process with the same id is not taken for the holder',
  { skip: startOf(1) === '' && 'no /proc here' },
  async () => {
    hold(process.pid, '1');
    await withLock(lock, () => undefined, 50);
  },
);

test('a holder of another machine or boot, and one without a name, count as dead after half a minute', async () => {
  for (const text of [`${['0123456789abcdef', process.pid, '1', 'elsewhere'].join('\t')}\n`, '', 'half a na']) {
    writeFileSync(lock, text);
    await assert.rejects(
      withLock(lock, () => undefined, 30),
      LockTimeout,
    );
    const old = new Date(Date.now() - 31_000);
    utimesSync(lock, old, old);
    await withLock(lock, () => undefined, 50);
    assert.deepEqual(readdirSync(directory), []);
  }
});

test('where no lock can be made, the error of the file system comes out', async () => {
  await assert.rejects(
    withLock(join(directory, 'no/such/lock'), () => undefined),
    { code: 'ENOENT' },
  );
});
