import { readFileSync } from 'node:fs';
import process from 'node:process';
import { decodeInvite } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';

/** Longer than any invite. */
const TEXT_MAX = 64 * 1024;

/** The text of an invite in a file. */
export function inviteFromFile(path: string): string {
  try {
    return readFileSync(path, 'utf8').slice(0, TEXT_MAX);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'error';
    const what = code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'permission denied' : code;
    throw new PersonError(`cannot read ${path}: ${what}`, { exitCode: EXIT.usage, cause: error });
  }
}

/** The text of an invite on standard input: all of it from a pipe, what is pasted from a terminal (without showing it). */
export function inviteFromInput(prompt: (line: string) => void): Promise<string> {
  return textFromInput('paste the invite and press Enter (it is not shown; Ctrl-C gives up):', prompt);
}

/** Any text that holds a secret, the same way. */
export async function textFromInput(question: string, prompt: (line: string) => void): Promise<string> {
  const { stdin } = process;
  if (!stdin.isTTY) {
    let text = '';
    for await (const chunk of stdin.setEncoding('utf8')) {
      text += String(chunk);
      if (text.length > TEXT_MAX) break;
    }
    return text;
  }
  // Raw mode: a terminal's own line editing cuts lines at 4,096 bytes and would show them.
  stdin.setRawMode(true).setEncoding('utf8');
  prompt(question);
  try {
    return await readPaste(stdin);
  } finally {
    stdin.setRawMode(false).pause();
  }
}

/** How long nothing may follow a line's end that ends the input, in milliseconds: by whether it is a whole invite. */
const QUIET_WHOLE_MS = 100;
const QUIET_MS = 1_000;

/**
 * Ends with a line's end after which nothing more comes, or with Ctrl-D: long lines are pasted in pieces, and with line ends within. What is
 * left of a paste must not reach the shell.
 */
export function readPaste(stdin: Pick<NodeJS.EventEmitter, 'on' | 'off'>): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    let timer: NodeJS.Timeout | undefined;
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      stdin.off('data', take);
      settle();
    };
    const take = (chunk: string): void => {
      clearTimeout(timer);
      for (const character of chunk) {
        if (character === '\x03') {
          end(() => {
            reject(new PersonError('given up'));
          });
          return;
        }
        text = character === '\x7f' || character === '\b' ? text.slice(0, -1) : text + character;
      }
      if (text.length <= TEXT_MAX && !/[\r\n\x04]$/.test(text)) return;
      const typed = text.replaceAll('\x04', '');
      timer = setTimeout(
        () => {
          end(() => {
            resolve(typed);
          });
        },
        decodeInvite(typed).ok ? QUIET_WHOLE_MS : QUIET_MS,
      );
    };
    stdin.on('data', take);
  });
}
