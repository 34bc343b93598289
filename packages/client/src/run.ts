import process from 'node:process';
import { processIo, runProgram } from '@postern/terminal';
import { program } from './program.ts';

/** Runs the words of a command line with the streams of this process; the exit code. */
export function run(words: readonly string[]): Promise<number> {
  return runProgram(program, words, processIo(), process.env['POSTERN_DEBUG'] === '1');
}

/** Runs the command line of this process. */
export function start(): void {
  // No top-level await: the bundle (script/bundle) is one script, which starts faster than a module.
  void run(process.argv.slice(2)).then((code) => {
    process.exitCode = code;
    // When all is done and written: what ends with the process need not be taken down first.
    process.once('beforeExit', () => {
      process.exit();
    });
  });
}
