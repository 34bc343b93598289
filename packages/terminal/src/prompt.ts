import process from 'node:process';
import { createInterface } from 'node:readline/promises';
import { EXIT, PersonError } from './person-error.ts';

/** Asks a person: passed in, so that tests can answer. */
export interface Prompt extends Disposable {
  /** Asks until the answer is accepted; an empty answer means `preset`. `reject` says what is wrong with an answer, or undefined. */
  ask(question: string, preset: string, reject: (answer: string) => string | undefined): Promise<string>;
}

/** Whether a person sits at both ends of this process. */
export function isInteractive(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/**
 * Asks on the terminal; questions go to standard error, so that standard output holds results only.
 *
 * @throws PersonError when the input ends before it is answered (Ctrl-D, Ctrl-C)
 */
export function openPrompt(): Prompt {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const ended = Promise.withResolvers<undefined>();
  terminal.once('close', () => {
    ended.resolve(undefined);
  });
  terminal.once('SIGINT', () => {
    terminal.close();
  });
  return {
    async ask(question, preset, reject) {
      for (;;) {
        const shown = preset === '' ? `${question}: ` : `${question} [${preset}]: `;
        const typed = await Promise.race([terminal.question(shown), ended.promise]);
        if (typed === undefined) {
          process.stderr.write('\n');
          throw new PersonError('the questions were not answered', {
            hint: 'nothing was changed',
            exitCode: EXIT.failed,
          });
        }
        const answer = typed.trim() === '' ? preset : typed.trim();
        const wrong = reject(answer);
        if (wrong === undefined) return answer;
        process.stderr.write(`  ${wrong}\n`);
      }
    },
    [Symbol.dispose]: () => {
      terminal.close();
    },
  };
}
