/** A program in a namespace that is told what to do and tells what happens by lines of JSON, for tests. */
import type { ChildProcess } from 'node:child_process';
import process from 'node:process';
import { createInterface } from 'node:readline';
import type { Namespace } from '@postern/testkit';

/** One line that a program told. */
export type Told = Readonly<Record<string, unknown>>;

const PATIENCE = 15_000;

/** Starts a TypeScript program in a namespace and talks with it. Disposing it kills it. */
export class Talker implements Disposable {
  readonly child: ChildProcess;
  readonly #heard: Told[] = [];
  #waiting: (() => void)[] = [];
  #errors = '';

  constructor(namespace: Namespace, program: string, argument: unknown) {
    const args = ['--conditions=source', program, JSON.stringify(argument)];
    this.child = namespace.spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stderr?.on('data', (piece: Buffer) => {
      this.#errors += piece.toString();
    });
    if (this.child.stdout === null) throw new TypeError('no standard output');
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      this.#heard.push(JSON.parse(line) as Told);
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  /** How many lines with `name` came since the last were taken. */
  count(name: string): number {
    return this.#heard.filter((told) => name in told).length;
  }

  /** Tells the program something. */
  tell(command: unknown): void {
    this.child.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  /** Takes the value of the next line with `name`, which may have come already. */
  async next(name: string, patience: number = PATIENCE): Promise<unknown> {
    const until = Date.now() + patience;
    for (;;) {
      const index = this.#heard.findIndex((told) => name in told);
      if (index >= 0) return this.#heard.splice(index, 1)[0]?.[name];
      const left = until - Date.now();
      if (left <= 0) throw new Error(`no "${name}" came; ${JSON.stringify(this.#heard)} ${this.#errors}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  [Symbol.dispose](): void {
    this.child.kill('SIGKILL');
  }
}
