/** Debian's fwknopd, the real one, in a namespace. `script/bootstrap bench` unpacks it; no service of the machine is touched. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Namespace } from './namespace.ts';
import { processorTime, type ProcessorTime } from './processor-time.ts';
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
  /** What it told so far. */
  log = '';
  readonly #process: ChildProcess;

  private constructor(directory: string, child: ChildProcess) {
    this.directory = directory;
    this.#process = child;
    const take = (chunk: Buffer): void => void (this.log += chunk.toString());
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
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
    const child = namespace.spawn(
      FWKNOPD,
      [
        ...['-f', '-c', at('fwknopd.conf'), '-a', at('access.conf'), '-r', at('run')],
        ...['-d', at('digest.cache'), '-p', at('fwknopd.pid'), ...how],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
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

  /** Its own process. */
  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Processor time so far, with that of every iptables and gpg that it ran to the end. */
  cpu(): ProcessorTime {
    return processorTime([this.pid], 'children');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill('SIGKILL');
      await once(this.#process, 'exit');
    }
    removeTemporary(this.directory);
  }
}
