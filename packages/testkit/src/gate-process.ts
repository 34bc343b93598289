/** A real gate for tests: posternd in a namespace, with its files in a directory of its own under the temporary directory. */
import { spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';
import type { Namespace } from './namespace.ts';
import { processorTime, type ProcessorTime } from './processor-time.ts';
import { proportionalMemory } from './proportional-memory.ts';
import { removeTemporary, temporaryDirectory } from './temporary.ts';

/** The checkout. */
export const ROOT: string = resolve(import.meta.dirname, '../../..');

/** Program and leading arguments of `posternd` and `postern` from this checkout. */
export const PROGRAMS: Readonly<Record<'posternd' | 'postern', readonly [string, string, string]>> = {
  posternd: [process.execPath, '--conditions=source', join(ROOT, 'packages/gate/src/main.ts')],
  postern: [process.execPath, '--conditions=source', join(ROOT, 'packages/client/src/main.ts')],
};

/** What a program printed and how it ended. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs one of our programs in a namespace to its end. */
export function runProgramIn(
  namespace: Namespace,
  name: keyof typeof PROGRAMS,
  args: readonly string[],
  options: { input?: string; environment?: Readonly<Record<string, string>> } = {},
): Ran {
  const ran = spawnSync('ip', ['netns', 'exec', namespace.name, ...PROGRAMS[name], ...args], {
    encoding: 'utf8',
    input: options.input ?? '',
    env: { ...process.env, ...options.environment },
    timeout: 60_000,
  });
  return { code: ran.status ?? -1, out: ran.stdout, err: ran.stderr };
}

/** What a child with pipes for its output printed, and how it ended, when it has. */
export function ranToEnd(child: ChildProcess): Promise<Ran> {
  let [out, err] = ['', ''];
  child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      resolve({ code: code ?? -1, out, err });
    });
  });
}

/** Files and process of one gate. The process may be killed and started again on the same files. */
export class GateFiles implements AsyncDisposable {
  readonly directory: string;
  readonly config: string;
  readonly namespace: Namespace;
  /** Where its socket is: in memory, as /run is on a real host. */
  readonly runtime: string;
  /** What is run as the daemon. */
  program: string = PROGRAMS.posternd[2];
  /** What the daemon wrote to its log, all starts together. */
  log = '';
  /** Characters of the log that are kept at the most, of its end; for daemons that run for long. */
  mostLog: number = Infinity;
  #process: ChildProcess | undefined;

  constructor(namespace: Namespace) {
    this.namespace = namespace;
    this.directory = temporaryDirectory('postern-gate-');
    chmodSync(this.directory, 0o700);
    this.runtime = temporaryDirectory('postern-run-', existsSync('/dev/shm') ? '/dev/shm' : undefined);
    this.config = join(this.directory, 'posternd.toml');
  }

  /** Process id of the monitor. */
  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** Process ids of the sentry: the monitor's children. */
  sentryPids(): number[] {
    try {
      const text = readFileSync(`/proc/${String(this.pid)}/task/${String(this.pid)}/children`, 'utf8');
      return text.split(' ').filter(Boolean).map(Number);
    } catch {
      return [];
    }
  }

  /** Runs an admin command of this gate; `--config` is added. */
  command(...args: string[]): Ran {
    return runProgramIn(this.namespace, 'posternd', [...args, '--config', this.config]);
  }

  /** The value of an admin command with `--json`; throws with what it printed when it fails. */
  json(...args: string[]): unknown {
    const ran = this.command(...args, '--json');
    if (ran.code !== 0) throw new Error(`posternd ${args.join(' ')}: ${ran.err}${ran.out}`);
    return JSON.parse(ran.out);
  }

  /** Starts `posternd run`; resolves when it is ready. */
  async start(patience?: number): Promise<void> {
    await this.startProgram(this.program, ['run', '--config', this.config], patience);
  }

  /** Starts a program that runs a monitor as `posternd run` does; resolves when it is ready, within `patience` milliseconds. */
  async startProgram(script: string, args: readonly string[], patience = 20_000): Promise<void> {
    const child = this.namespace.spawn(process.execPath, ['--conditions=source', script, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process = child;
    const from = this.log.length;
    let begun = false;
    const ready = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => {
      ready.reject(new Error(`posternd was not ready within ${String(patience / 1000)} s:\n${this.log.slice(from)}`));
    }, patience);
    child.stderr?.on('data', (chunk: Buffer) => {
      this.log += chunk.toString();
      if (begun) {
        if (this.log.length > this.mostLog) this.log = this.log.slice(-this.mostLog / 2);
        return;
      }
      begun = /^posternd: ready /m.test(this.log.slice(from));
      if (begun) ready.resolve(undefined);
    });
    child.once('exit', (code) => {
      ready.reject(new Error(`posternd ended with ${String(code)}:\n${this.log.slice(from)}`));
    });
    try {
      await ready.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the daemon with a signal and waits until it is gone. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  }

  /** Memory of both processes that nobody shares, in MB (proportional set size). */
  memory(): number {
    return proportionalMemory([this.pid, ...this.sentryPids()]);
  }

  /** Processor time of both processes so far, in seconds. */
  cpu(): ProcessorTime {
    return processorTime([this.pid, ...this.sentryPids()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    removeTemporary(this.runtime);
    removeTemporary(this.directory);
  }
}
