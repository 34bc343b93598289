/** The real sentry, by {@link fastClock}. */
import { writeSync } from 'node:fs';
import { serve } from '../sentry/serve.ts';
import { start } from '../sentry/start.ts';
import { exitNow } from '../system/libc.ts';
import { fastClock } from '@postern/testkit/fast-clock';

try {
  // Whatever it needs for the first time is there before the sandbox.
  fastClock();
  serve(start(), fastClock);
  exitNow(0);
} catch (error) {
  writeSync(2, `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  exitNow(1);
}
