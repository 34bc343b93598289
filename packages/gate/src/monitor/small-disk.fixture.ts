/**
 * `node small-disk.fixture.ts CONFIG DIRECTORY SIZE`: the real monitor with a disk of its own, of that size, at a directory. To be run by
 * `ip netns exec`, which gives each program a mount namespace: nobody else sees that disk, and it ends with the program.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { runMonitor } from './main.ts';

const [configFile = '', directory = '', size = ''] = process.argv.slice(2);
// The monitor starts itself once more, without the right to mount.
if (!readFileSync('/proc/self/mounts', 'utf8').includes(` ${directory} `)) {
  mkdirSync(directory, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'tmpfs', directory]);
}
process.exitCode = await runMonitor({ configFile, version: '0.0.0-test' });
