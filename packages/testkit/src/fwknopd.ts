/** Debian's fwknopd, the real one, in a namespace. `script/bootstrap bench` unpacks it; no service of the machine is touched. */
import { spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Namespace } from './namespace.ts';
import { processorTime, type ProcessorTime } from './processor-time.ts';
import { proportionalMemory } from './proportional-memory.ts';
import { removeTemporary, temporaryDirectory } from './temporary.ts';
import { unpacked } from './unpacked.ts';

const FWKNOPD = unpacked('fwknop-server', 'usr/sbin/fwknopd');
const READY = /Starting fwknopd main event loop|Kicking off UDP server/;

/** Whether fwknopd was unpacked. */
export function fwknopdAvailable(): boolean {
  return existsSync(FWKNOPD);
}

/** How a fwknopd is started. */
export interface FwknopdOptions {
  /** What its access.conf says. */
  readonly access: string;
  /** Lines for its fwknopd.conf, `NAME value;` each. */
  readonly configuration?: string;
  /** A device to sniff at, or its own UDP socket on port 62201. */
  readonly capture: { readonly device: string; readonly filter?: string } | 'udp-server';
}

/** One fwknopd; ends with its disposal, as do its chains with its namespace. */
export class Fwknopd implements AsyncDisposable {
  /** Its files are here: configuration, digests, process id. */
  readonly directory: string;
  readonly #process: ChildProcess;

  private constructor(directory: string, child: ChildProcess) {
    this.directory = directory;
    this.#process = child;
  }

  /** Starts it in the foreground; resolves when it hears packets, throws with its log when it does not within 20 s. */
  static async start(namespace: Namespace, options: FwknopdOptions): Promise<Fwknopd> {
    const directory = temporaryDirectory('postern-fwknopd-');
    const at = (name: string): string => join(directory, name);
    const secret = { mode: 0o600 };
    writeFileSync(at('access.conf'), options.access, secret);
    writeFileSync(at('fwknopd.conf'), options.configuration ?? '', secret);
    const { capture } = options;
    const how = capture === 'udp-server' ? ['-U'] : ['-i', capture.device, '-P', capture.filter ?? 'udp port 62201'];
    // It writes a line for every stanza that a packet does not fit: a file takes what this process has no time to read.
    const output = openSync(at('log'), 'a');
    const child = namespace.spawn(
      FWKNOPD,
      [
        ...['-f', '-c', at('fwknopd.conf'), '-a', at('access.conf'), '-r', at('run')],
        ...['-d', at('digest.cache'), '-p', at('fwknopd.pid'), ...how],
      ],
      { stdio: ['ignore', output, output] },
    );
    closeSync(output);
    const self = new Fwknopd(directory, child);
    for (let waited = 0; !READY.test(self.log); waited += 20) {
      if (waited > 20_000 || child.exitCode !== null || child.signalCode !== null) {
        const { log } = self;
        await self[Symbol.asyncDispose]();
        throw new Error(`fwknopd does not listen: ${log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return self;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** What it told so far. */
  get log(): string {
    return readFileSync(this.#logFile, 'utf8');
  }

  get #logFile(): string {
    return join(this.directory, 'log');
  }

  /** How many packets it tried its first stanza on. */
  heard(): number {
    // The log may have hundreds of megabytes by now.
    const counted = spawnSync('grep', ['-c', '(stanza #1) SPA Packet', this.#logFile], { encoding: 'utf8' });
    return Number(counted.stdout);
  }

  /** Processor time so far, with that of every iptables and gpg that it ran to the end. */
  cpu(): ProcessorTime {
    return processorTime([this.pid], 'children');
  }

  /** Memory that it has in use, in MB. */
  memory(): number {
    return proportionalMemory([this.#process.pid ?? 0]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill('SIGKILL');
      await once(this.#process, 'exit');
    }
    removeTemporary(this.directory);
  }
}
