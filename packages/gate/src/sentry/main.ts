/** The sentry's entry: started by `monitor/sentry-process.ts` only, with the descriptors of `line/frame.ts`. */
import { writeSync } from 'node:fs';
import { exitNow } from '../system/libc.ts';
import { serve } from './serve.ts';
import { start } from './start.ts';

try {
  serve(start());
  exitNow(0);
} catch (error) {
  writeSync(2, `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  exitNow(1);
}
