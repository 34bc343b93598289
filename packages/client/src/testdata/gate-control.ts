import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createInterface, type Interface } from 'node:readline';
import process from 'node:process';

const PROGRAM = fileURLToPath(import.meta.resolve('@postern/testkit/miniature-gate-process'));

/** A miniature gate in a process of its own, on loopback. */
export class GateControl implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>, port: number) {
    this.#child = child;
    this.#lines = lines;
    this.port = port;
  }

  /** Starts it; resolves when it listens. */
  static async start(): Promise<GateControl> {
    const child = spawn(process.execPath, ['--conditions=source', PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
    const reader: Interface = createInterface({ input: child.stdout });
    const lines = reader[Symbol.asyncIterator]();
    const { value } = (await lines.next()) as { value: string };
    return new GateControl(child, lines, Number(value.split(' ')[1]));
  }

  /** One command and its answer. */
  async ask(command: string): Promise<string> {
    this.#child.stdin?.write(`${command}\n`);
    const { value } = (await this.#lines.next()) as { value: string };
    return value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await ended;
  }
}
