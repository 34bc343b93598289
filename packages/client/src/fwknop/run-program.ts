/** Runs another program to its end. */

/** What became of it. */
export interface ProgramRan {
  /** Exit code; undefined where a signal ended it, or it could not be started. */
  readonly code: number | undefined;
  /** Why it could not be started (`ENOENT`). */
  readonly trouble: string | undefined;
  readonly output: Buffer;
  /** The end of what it said on standard error. */
  readonly errors: string;
}

/** What it is given, and its limits. */
export interface ProgramInput {
  readonly input: string;
  /** What it reads from descriptor 3; undefined for an end at once. */
  readonly secret?: string | undefined;
  /** Milliseconds until it is killed. */
  readonly patience: number;
  /** Bytes of output at which it is killed. */
  readonly mostOutput: number;
}

/** Runs a program without a shell. Never throws. */
export async function runProgramToEnd(
  program: string,
  words: readonly string[],
  { input, secret, patience, mostOutput }: ProgramInput,
): Promise<ProgramRan> {
  const { spawn } = await import('node:child_process');
  const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
  const hidden = child.stdio[3];
  // A program that reads nothing closes these early.
  for (const stream of child.stdio) stream?.on('error', () => undefined);
  child.stdin.end(input);
  if (hidden !== null && hidden !== undefined && 'end' in hidden) hidden.end(secret ?? '');
  const output: Buffer[] = [];
  let size = 0;
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= mostOutput) output.push(chunk);
    else child.kill('SIGKILL');
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors = (errors + chunk).slice(-mostOutput)));
  // Not spawn's own limit: its timer lives on after a program that could not be started.
  const limit = setTimeout(() => child.kill('SIGKILL'), patience);
  return new Promise((resolve) => {
    const end = (code: number | null, trouble: string | undefined): void => {
      clearTimeout(limit);
      resolve({ code: code ?? undefined, trouble, output: Buffer.concat(output), errors });
    };
    child.once('error', (error: NodeJS.ErrnoException) => {
      end(null, error.code ?? error.message);
    });
    child.once('close', (code) => {
      end(code, undefined);
    });
  });
}
