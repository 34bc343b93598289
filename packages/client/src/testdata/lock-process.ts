/**
 * Adds to the number in FILE under its lock, COUNT times: `node lock-process.ts FILE COUNT [die]`. With `die` the process is killed within
 * its last section, after it wrote, so that the lock is left behind.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { withLock } from '../lock.ts';

const [, , file = '', count = '0', end] = process.argv;
for (let i = 1; i <= Number(count); i++) {
  await withLock(`${file}.lock`, () => {
    writeFileSync(file, String(Number(readFileSync(file, 'utf8')) + 1));
    if (end === 'die' && i === Number(count)) process.kill(process.pid, 'SIGKILL');
  });
}
