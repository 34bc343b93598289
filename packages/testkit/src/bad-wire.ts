/** Two namespaces joined by a cable that loses, delays, reorders and doubles frames: real sockets on both sides, no kernel module needed. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import process from 'node:process';
import { Namespace } from './namespace.ts';

/** How bad the cable is, each way. */
export interface BadWireOptions {
  /** Milliseconds that every frame takes. */
  readonly delay: number;
  /** Up to so many more, at random for each frame: frames overtake each other. */
  readonly jitter: number;
  /** Probability that a frame is lost; ARP and ICMPv6 are not. */
  readonly loss: number;
  /** Probability that a frame comes twice. */
  readonly duplicate: number;
}

/** A bad cable between two namespaces; its own process and namespace go with it. */
export class BadWire implements AsyncDisposable {
  readonly #namespace: Namespace;
  readonly #process: ChildProcess;

  private constructor(namespace: Namespace, child: ChildProcess) {
    this.#namespace = namespace;
    this.#process = child;
  }

  /** Lays the cable; the ends get their addresses (CIDR). */
  static async join(
    here: { readonly namespace: Namespace; readonly addresses: readonly string[] },
    there: { readonly namespace: Namespace; readonly addresses: readonly string[] },
    options: BadWireOptions,
  ): Promise<BadWire> {
    const middle = new Namespace('wire');
    const a = middle.connect(here.namespace, [], here.addresses);
    const b = middle.connect(there.namespace, [], there.addresses);
    const child = middle.spawn(
      process.execPath,
      [
        '--conditions=source',
        join(import.meta.dirname, 'bad-wire-process.ts'),
        a.here,
        b.here,
        JSON.stringify(options),
      ],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const self = new BadWire(middle, child);
    await Promise.race([
      once(child.stdout ?? process.stdin, 'data'),
      once(child, 'exit').then(() => {
        throw new Error('the bad wire did not start');
      }),
    ]);
    return self;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill('SIGKILL');
      await once(this.#process, 'exit');
    }
    this.#namespace[Symbol.dispose]();
  }
}
