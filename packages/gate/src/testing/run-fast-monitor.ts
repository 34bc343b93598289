/** `node run-fast-monitor.ts CONFIG`: the real monitor and the real sentry, by a clock that runs faster; for what a gate is after a day. */
import { join } from 'node:path';
import process from 'node:process';
import { runMonitor } from '../monitor/main.ts';
import { fastClock, fastUptime } from '@postern/testkit/fast-clock';

const [configFile = ''] = process.argv.slice(2);
process.exitCode = await runMonitor({
  configFile,
  version: '0.0.0-test',
  sentryEntry: join(import.meta.dirname, 'fast-sentry.ts'),
  time: { clock: fastClock, uptime: fastUptime },
});
