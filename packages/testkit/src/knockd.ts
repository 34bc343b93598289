/** Debian's knockd, the real one, on a device of a namespace. `script/bootstrap test` unpacks it; no service of the machine is touched. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Namespace } from './namespace.ts';
import { processorTime, type ProcessorTime } from './processor-time.ts';
import { proportionalMemory } from './proportional-memory.ts';
import { removeTemporary, temporaryDirectory } from './temporary.ts';
import { unpacked } from './unpacked.ts';

const KNOCKD = unpacked('knockd', 'usr/sbin/knockd');

/** knockd's own client. */
export const KNOCK: string = unpacked('knockd', 'usr/bin/knock');

/** Whether knockd was unpacked. */
export function knockdAvailable(): boolean {
  return existsSync(KNOCKD);
}

/** One knockd; ends with its disposal. */
export class Knockd implements AsyncDisposable {
  readonly directory: string;
  readonly #process: ChildProcess;
  #output = '';

  private constructor(directory: string, process: ChildProcess) {
    this.directory = directory;
    this.#process = process;
    const take = (chunk: Buffer): void => void (this.#output += chunk.toString());
    process.stdout?.on('data', take);
    process.stderr?.on('data', take);
  }

  /** Starts it with the doors of a knockd.conf; resolves when it listens. `{directory}` in them becomes a directory of its own. */
  static async start(
    namespace: Namespace,
    device: string,
    doors: string,
    { quiet = false }: { /** Without the lines that it writes for each packet. */ readonly quiet?: boolean } = {},
  ): Promise<Knockd> {
    const directory = temporaryDirectory('postern-knockd-');
    const [file, log] = [join(directory, 'knockd.conf'), join(directory, 'knockd.log')];
    writeFileSync(file, `[options]\n\tlogfile = ${log}\n${doors.replaceAll('{directory}', directory)}`);
    const places = ['-c', file, '-g', log, '-p', join(directory, 'pid')];
    const child = namespace.spawn(KNOCKD, ['-i', device, ...(quiet ? [] : ['-D']), ...places], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const self = new Knockd(directory, child);
    for (let waited = 0; !/listening/i.test(self.log); waited += 20) {
      if (waited > 10_000 || child.exitCode !== null) {
        const { log } = self;
        await self[Symbol.asyncDispose]();
        throw new Error(`knockd does not listen: ${log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return self;
  }

  /** What it told. */
  get log(): string {
    const file = join(this.directory, 'knockd.log');
    return this.#output + (existsSync(file) ? readFileSync(file, 'utf8') : '');
  }

  /** How many times it opened a door for a source. */
  opened(door: string, source: string): number {
    const file = join(this.directory, 'knockd.log');
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
    return lines.filter((line) => line.includes(`${source}: ${door}: OPEN SESAME`)).length;
  }

  /** Memory that it has in use, in MB. */
  memory(): number {
    return proportionalMemory([this.#process.pid ?? 0]);
  }

  /** Processor time so far, with that of every command that it ran to the end. */
  cpu(): ProcessorTime {
    return processorTime([this.#process.pid ?? 0], 'children');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill('SIGKILL');
      await once(this.#process, 'exit');
    }
    removeTemporary(this.directory);
  }
}
