/** `node run-monitor.ts CONFIG SENTRY_ENTRY`: the real monitor over another sentry program; for tests of what a taken-over sentry can do. */
import process from 'node:process';
import { runMonitor } from '../monitor/main.ts';

const [configFile = '', sentryEntry = ''] = process.argv.slice(2);
process.exitCode = await runMonitor({ configFile, version: '0.0.0-test', sentryEntry });
