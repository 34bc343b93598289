/** A recorder of one network device in a namespace: what a person on the wire sees. The recording process is `recorder-process.ts`. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import type { Namespace } from './namespace.ts';
import { removeTemporary, temporaryDirectory } from './temporary.ts';

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
  readonly #packets: Recorded[] = [];
  readonly #process: ChildProcess;
  readonly #file: string;
  #read = 0;

  private constructor(child: ChildProcess, file: string) {
    this.#process = child;
    this.#file = file;
  }

  /** Resolves when recording has begun. */
  static async start(namespace: Namespace, device: string): Promise<Recorder> {
    // A file takes what a pipe would not while this process waits for something else.
    const directory = temporaryDirectory('postern-recorder-');
    const file = join(directory, 'packets');
    const out = openSync(file, 'w');
    const script = join(import.meta.dirname, 'recorder-process.ts');
    const child = namespace.spawn(process.execPath, ['--conditions=source', script, device], {
      stdio: ['ignore', out, 'inherit'],
    });
    closeSync(out);
    const self = new Recorder(child, file);
    while (!readFileSync(file, 'latin1').startsWith('ready\n')) {
      if (child.exitCode !== null) throw new Error(`the recorder ended with ${String(child.exitCode)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    self.#read = 'ready\n'.length;
    return self;
  }

  /** What was recorded so far, in order. */
  get packets(): readonly Recorded[] {
    const text = readFileSync(this.#file, 'latin1');
    const whole = text.lastIndexOf('\n') + 1;
    for (const line of text.slice(this.#read, whole).split('\n')) if (line !== '') this.#add(line);
    this.#read = Math.max(this.#read, whole);
    return this.#packets;
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
    for (let before = -1; before !== this.packets.length;) {
      before = this.packets.length;
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
    }
  }

  #add(line: string): void {
    const [direction, family, protocol, hex] = line.split(' ');
    this.#packets.push({
      direction: direction === 'out' ? 'out' : 'in',
      family: family === '4' ? 4 : 6,
      protocol: Number(protocol),
      bytes: new Uint8Array(Buffer.from(hex ?? '', 'hex')),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill('SIGTERM');
      await once(this.#process, 'exit');
    }
    removeTemporary(dirname(this.#file));
  }
}
