export { EXIT, PersonError } from './person-error.ts';
export type { Argument, Command, Example, Option, Parsed, Program } from './command.ts';
export { commandHelp, programHelp } from './help.ts';
export { runProgram } from './run.ts';
export { formatTable } from './table.ts';
export { type Io, processIo } from './io.ts';
