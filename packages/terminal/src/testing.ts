import type { Program } from './command.ts';
import type { Io } from './io.ts';
import { runProgram } from './run.ts';

/** What a run printed and returned. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a program in this process and keeps what it prints. */
export async function runQuietly(program: Program, argv: readonly string[], debug = false): Promise<Ran> {
  const out: string[] = [];
  const err: string[] = [];
  const io: Io = {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    ...{ colour: false, errorColour: false, columns: 80, passing: undefined },
  };
  const code = await runProgram(program, argv, io, debug);
  return { code, out: out.join('\n'), err: err.join('\n') };
}
