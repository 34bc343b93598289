import type { Command, Program } from './command.ts';
import { showFailure } from './failure.ts';
import { findCommand } from './find-command.ts';
import { commandHelp, groupHelp, optionsOf, programHelp } from './help.ts';
import type { Io } from './io.ts';
import { ownWords, parseCommand, wantsJson } from './parse.ts';
import { EXIT } from './person-error.ts';
import { withHeadings } from './style.ts';

function asksForHelp(program: Program, command: Command, rest: readonly string[]): boolean {
  // `postern ssh HOST --help` asks ssh, `postern ssh --help` asks us.
  const { own } = ownWords(command, optionsOf(program, command), rest);
  const [first] = rest;
  const words = own.length === 0 && first !== undefined ? [first] : own;
  const end = words.indexOf('--');
  return words.slice(0, end === -1 ? undefined : end).some((word) => word === '--help' || word === '-h');
}

/**
 * Runs what was typed and returns the exit code. Every error that a person can mend is printed as `NAME: error: …` with a hint, or as
 * JSON where `--json` was typed; anything else is a bug of ours and says so in one line (with `debug`, with its stack).
 */
export async function runProgram(program: Program, argv: readonly string[], io: Io, debug = false): Promise<number> {
  let command: Command | undefined;
  try {
    const [first, ...others] = argv;
    if (first === undefined || first === '--help' || first === '-h' || (first === 'help' && others.length === 0)) {
      io.out(withHeadings(programHelp(program, io.columns), io.colour));
      return first === undefined ? EXIT.usage : EXIT.ok;
    }
    if (first === '--version' || first === '-V') {
      io.out(`${program.name} ${program.version}`);
      return EXIT.ok;
    }
    const found = findCommand(program, first === 'help' ? [...others, '--help'] : argv);
    if (found.kind === 'group') {
      io.out(withHeadings(groupHelp(program, found.commands, io.columns), io.colour));
      return EXIT.ok;
    }
    ({ command } = found);
    if (first === 'help' || asksForHelp(program, command, found.rest)) {
      io.out(withHeadings(commandHelp(program, command, io.columns), io.colour));
      return EXIT.ok;
    }
    return await command.run(parseCommand(program, command, found.rest), io);
  } catch (error) {
    return showFailure(error, io, { program: program.name, json: wantsJson(program, command, argv), debug });
  }
}
