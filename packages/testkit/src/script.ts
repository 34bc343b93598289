/**
 * Scripts for command lines in text files, after testscript of Go: what a program prints and returns, readable as documentation.
 *
 * One command a line; words as in a shell, with '…' as quotes and $NAME for variables; `#` begins a comment. After the commands come
 * files, each after a line `-- NAME --`, which are written into an empty directory first. The commands:
 *
 * - `PROGRAM ARGUMENT…` runs a program to its end, which must be a success; `! PROGRAM …` must fail
 * - `code N` the last program returned N
 * - `stdout PATTERN`, `stderr PATTERN` the last program's output matches (a JavaScript regular expression, `m`); `! stdout .` it is empty
 * - `stdin FILE` standard input of the next program
 * - `save stdout FILE` writes the last program's output into a file
 * - `env NAME=VALUE`, `chmod MODE FILE`, `cp FROM TO`, `rm FILE`, `exists FILE`, `! exists FILE`, `mode MODE FILE`
 * - whatever more commands the test gives
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';

/** What a script runs in. */
export interface ScriptOptions {
  /** Command and first arguments by the name that scripts use. */
  readonly programs: Readonly<Record<string, readonly string[]>>;
  /** More commands; they get their arguments and what the script knows. */
  readonly commands?: Readonly<Record<string, (words: readonly string[], state: ScriptState) => Promise<void> | void>>;
  readonly environment?: Readonly<Record<string, string>>;
}

/** What a script knows while it runs. */
export interface ScriptState {
  /** The directory that it runs in; also `$WORK`. */
  readonly directory: string;
  readonly environment: Record<string, string>;
  stdin: string;
  stdout: string;
  stderr: string;
  code: number | undefined;
}

/** Runs a script. Throws with the line that failed and what the last program printed. */
export async function runScript(text: string, options: ScriptOptions): Promise<void> {
  const { commands, files } = split(text);
  const directory = mkdtempSync(join(tmpdir(), 'postern-script-'));
  const environment = {
    PATH: process.env['PATH'] ?? '',
    HOME: directory,
    WORK: directory,
    TZ: 'UTC',
    ...options.environment,
  };
  const state: ScriptState = { directory, environment, stdin: '', stdout: '', stderr: '', code: undefined };
  try {
    for (const [name, content] of files) {
      const path = join(directory, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
    }
    for (const { line, number } of commands) {
      try {
        await step(line, state, options);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        const output = `code: ${state.code ?? 'none'}\nstdout:\n${state.stdout}\nstderr:\n${state.stderr}`;
        throw new Error(`line ${number}: ${line}\n${reason}\n${output}`, { cause: error });
      }
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function step(line: string, state: ScriptState, options: ScriptOptions): Promise<void> {
  const typed = wordsOf(line, state.environment);
  const expected = typed[0] !== '!';
  const [name = '', ...words] = expected ? typed : typed.slice(1);
  const program = options.programs[name];
  if (program !== undefined) {
    await run([...program, ...words], state);
    assert.equal(state.code === 0, expected, expected ? 'it failed' : 'it succeeded');
    return;
  }
  const more = options.commands?.[name];
  if (more !== undefined) await more(words, state);
  else builtin(name, words, expected, state);
}

function builtin(name: string, words: readonly string[], expected: boolean, state: ScriptState): void {
  const [first = '', second = ''] = words;
  const at = (file: string): string => join(state.directory, file);
  switch (name) {
    case 'code':
      assert.equal(state.code, Number(first));
      break;
    case 'stdout':
    case 'stderr':
      assert.equal(
        new RegExp(first, 'm').test(state[name]),
        expected,
        `${name} ${expected ? 'does not match' : 'matches'}`,
      );
      break;
    case 'stdin':
      state.stdin = readFileSync(at(first), 'utf8');
      break;
    case 'save':
      writeFileSync(at(second), first === 'stderr' ? state.stderr : state.stdout);
      break;
    case 'env':
      state.environment[first.slice(0, first.indexOf('='))] = first.slice(first.indexOf('=') + 1);
      break;
    case 'chmod':
      chmodSync(at(second), Number.parseInt(first, 8));
      break;
    case 'cp':
      cpSync(at(first), at(second), { recursive: true });
      break;
    case 'rm':
      rmSync(at(first), { recursive: true });
      break;
    case 'exists':
      assert.equal(existsSync(at(first)), expected);
      break;
    case 'mode':
      assert.equal((statSync(at(second)).mode & 0o777).toString(8), first);
      break;
    default:
      throw new Error(`\`${name}\` is no command of a script`);
  }
}

function run([program = '', ...words]: readonly string[], state: ScriptState): Promise<void> {
  return new Promise((resolve, reject) => {
    const { directory, environment } = state;
    const child = spawn(program, words, { cwd: directory, env: environment, stdio: 'pipe', timeout: 60_000 });
    state.stdout = state.stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (state.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (state.stderr += text));
    child.stdin.on('error', () => undefined).end(state.stdin);
    state.stdin = '';
    child.once('error', reject);
    child.once('close', (code) => {
      state.code = code ?? undefined;
      resolve();
    });
  });
}

function wordsOf(line: string, environment: Readonly<Record<string, string>>): string[] {
  const words: string[] = [];
  for (const [, quoted, plain = ''] of line.matchAll(/'((?:[^']|'')*)'|(\S+)/g)) {
    if (quoted === undefined && plain.startsWith('#')) break;
    words.push(
      quoted?.replaceAll("''", "'") ?? plain.replace(/\$([A-Z]+)/g, (_, name: string) => environment[name] ?? ''),
    );
  }
  return words;
}

function split(text: string): { commands: { line: string; number: number }[]; files: Map<string, string> } {
  const commands: { line: string; number: number }[] = [];
  const files = new Map<string, string>();
  let file: string | undefined;
  for (const [i, line] of text.split('\n').entries()) {
    const name = /^-- (\S+) --$/.exec(line)?.[1];
    if (name !== undefined) files.set((file = name), '');
    else if (file !== undefined) files.set(file, `${files.get(file) ?? ''}${line}\n`);
    else if (line.trim() !== '' && !line.startsWith('#')) commands.push({ line, number: i + 1 });
  }
  return { commands, files };
}
