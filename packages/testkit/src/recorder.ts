/** A recorder of one network device in a namespace: what a person on the wire sees. The recording process is `recorder-process.ts`. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import type { Namespace } from './namespace.ts';

/** One packet as it was on the wire, from its IP header on. */
export interface Recorded {
  /** `out`: sent by the recorded device's host; `in`: received by it. */
  readonly direction: 'in' | 'out';
  readonly family: 4 | 6;
  /** IP protocol (6 TCP, 17 UDP, 1 ICMP, 58 ICMPv6). */
  readonly protocol: number;
  readonly bytes: Uint8Array;
}

/** Records IP packets of `device` until it is disposed. Neighbour discovery and ARP are not recorded: they are the link's own. */
export class Recorder implements AsyncDisposable {
  readonly packets: Recorded[] = [];
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#process = child;
  }

  /** Resolves when recording has begun. */
  static async start(namespace: Namespace, device: string): Promise<Recorder> {
    const child = namespace.spawn(
      process.execPath,
      [...process.execArgv, join(import.meta.dirname, 'recorder-process.ts'), device],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const self = new Recorder(child);
    if (child.stdout === null) throw new Error('the recorder has no output');
    const ready = Promise.withResolvers<undefined>();
    child.once('exit', (code) => {
      ready.reject(new Error(`the recorder ended with ${String(code)}`));
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === 'ready') ready.resolve(undefined);
      else self.#add(line);
    });
    await ready.promise;
    return self;
  }

  /** UDP payloads that were recorded, in order. */
  udp(direction: 'in' | 'out', port: number): { payload: Uint8Array; recorded: Recorded }[] {
    return this.packets.flatMap((recorded) => {
      if (recorded.direction !== direction || recorded.protocol !== 17) return [];
      const header = recorded.family === 4 ? ((recorded.bytes[0] ?? 0) & 15) * 4 : 40;
      const view = new DataView(recorded.bytes.buffer, recorded.bytes.byteOffset);
      const [from, to] = [view.getUint16(header), view.getUint16(header + 2)];
      if ((direction === 'out' ? to : from) !== port) return [];
      return [{ payload: recorded.bytes.slice(header + 8, header + view.getUint16(header + 4)), recorded }];
    });
  }

  /** Waits until what is on the wire now was recorded. */
  async settle(milliseconds = 100): Promise<void> {
    for (let before = -1; before !== this.packets.length; ) {
      before = this.packets.length;
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
    }
  }

  #add(line: string): void {
    const [direction, family, protocol, hex] = line.split(' ');
    this.packets.push({
      direction: direction === 'out' ? 'out' : 'in',
      family: family === '4' ? 4 : 6,
      protocol: Number(protocol),
      bytes: new Uint8Array(Buffer.from(hex ?? '', 'hex')),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill('SIGTERM');
    await once(this.#process, 'exit');
  }
}
