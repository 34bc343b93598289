/**
 * A monitor reduced to its GPG helper, for tests: started as a program of its own with the options as JSON, writes the helper's process id, and lives
 * until it is killed.
 */
import process from 'node:process';
import { startGpg, type GpgOptions } from './gpg-process.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as Omit<GpgOptions, 'log'>;
const gpg = startGpg({ ...options, log: (_level, what) => void process.stderr.write(`${what}\n`) });
process.stdout.write(`${String(gpg.pid)}\n`);
setInterval(() => undefined, 60_000);
