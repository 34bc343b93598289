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
export async function inviteFromInput(prompt: (line: string) => void): Promise<string> {
  const { stdin } = process;
  if (!stdin.isTTY) {
    let text = '';
    for await (const chunk of stdin.setEncoding('utf8')) {
      text += String(chunk);
      if (text.length > TEXT_MAX) break;
    }
    return text;
  }
  prompt('paste the invite and press Enter (it is not shown; Ctrl-C gives up):');
  // Raw mode: a terminal's own line editing cuts lines at 4,096 bytes and would show them.
  stdin.setRawMode(true).setEncoding('utf8');
  try {
    return await pasted(stdin);
  } finally {
    stdin.setRawMode(false).pause();
  }
}

/** Ends with the line feed that makes it a whole invite, with an empty line, or with Ctrl-D. */
function pasted(stdin: NodeJS.ReadStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const end = (settle: () => void): void => {
      stdin.off('data', take);
      settle();
    };
    const take = (chunk: string): void => {
      for (const character of chunk) {
        if (character === '\x03') {
          end(() => {
            reject(new PersonError('given up'));
          });
          return;
        }
        const newline = character === '\r' || character === '\n';
        const empty = newline && /(^|\s)$/.test(text);
        if (character === '\x04' || empty || (newline && isWhole(text)) || text.length > TEXT_MAX) {
          end(() => {
            resolve(text);
          });
          return;
        }
        text = character === '\x7f' || character === '\b' ? text.slice(0, -1) : text + character;
      }
    };
    stdin.on('data', take);
  });
}

function isWhole(text: string): boolean {
  return decodeInvite(text).ok;
}
