/** Completion scripts from the command table. */
import type { Program } from './command.ts';
import { bashCompletion } from './completion/bash.ts';
import { fishCompletion } from './completion/fish.ts';
import { zshCompletion } from './completion/zsh.ts';
import type { Generated } from './man-page.ts';
import type { Shell } from './shell.ts';

/** Completion of a program for a shell; `file` is the name that the shell looks for in its directory of completions. */
export function completion(program: Program, shell: Shell): Generated {
  const { name } = program;
  switch (shell) {
    case 'bash':
      return { file: name, text: bashCompletion(program) };
    case 'zsh':
      return { file: `_${name}`, text: zshCompletion(program) };
    case 'fish':
      return { file: `${name}.fish`, text: fishCompletion(program) };
  }
}
