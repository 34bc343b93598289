import type { Command, Program } from './command.ts';
import { EXIT, PersonError } from './person-error.ts';
import { SHELLS } from './shell.ts';

/** `NAME completion SHELL`, for any program. `program` gives the program that the command is a part of. */
export function completionCommand(name: string, program: () => Program): Command {
  return {
    name: 'completion',
    summary: 'print the completion script of a shell',
    description: [
      'The package installs these scripts where the shells look for them; without it, one line in the start-up file of the shell does the same.',
    ],
    arguments: [{ name: 'shell', help: '`bash`, `zsh` or `fish`', offer: SHELLS }],
    examples: [
      { line: `source <(${name} completion bash)`, does: 'in ~/.bashrc or, with `zsh`, in ~/.zshrc behind `compinit`' },
      { line: `${name} completion fish > ~/.config/fish/completions/${name}.fish`, does: 'once, for fish' },
    ],
    run: async (parsed, io) => {
      const typed = parsed.arguments['shell'] ?? '';
      const shell = SHELLS.find((it) => it === typed);
      if (shell === undefined) {
        throw new PersonError(`SHELL is ${SHELLS.join(', ')}, but ${JSON.stringify(typed)} came`, {
          hint: `for example: ${name} completion bash`,
          exitCode: EXIT.usage,
        });
      }
      const { completion } = await import('./completion.ts');
      io.out(completion(program(), shell).text.trimEnd());
      return EXIT.ok;
    },
  };
}
