/** fwknop clients, Debian's own and ours, in a namespace and with a home of their own. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { PROGRAMS, ROOT, type Ran } from './gate-process.ts';
import type { Namespace } from './namespace.ts';
import { removeTemporary, temporaryDirectory } from './temporary.ts';
import { unpacked } from './unpacked.ts';

const FWKNOP = unpacked('fwknop-client', 'usr/bin/fwknop');

/** Whose client. */
export type FwknopClientKind = 'fwknop' | 'postern';

const COMMANDS: Readonly<Record<FwknopClientKind, readonly string[]>> = {
  fwknop: [FWKNOP],
  postern: [...PROGRAMS.postern, 'fwknop'],
};

/** Whether Debian's client was unpacked. */
export function fwknopAvailable(): boolean {
  return existsSync(FWKNOP);
}

/** Someone's home with a client in it; nothing of the user's own is read or written. */
export class FwknopClient implements Disposable {
  readonly home: string;
  readonly #namespace: Namespace;
  readonly #command: readonly string[];

  constructor(namespace: Namespace, kind: FwknopClientKind = 'fwknop') {
    this.home = temporaryDirectory('postern-fwknop-');
    this.#namespace = namespace;
    this.#command = COMMANDS[kind];
  }

  /** Writes ~/.fwknoprc. */
  configure(text: string): void {
    writeFileSync(join(this.home, '.fwknoprc'), text, { mode: 0o600 });
  }

  /** Runs the client to its end; it is ended after 30 s. */
  async run(...args: readonly string[]): Promise<Ran> {
    const [program = '', ...leading] = this.#command;
    const child = this.#namespace.spawn(program, [...leading, ...args], {
      env: {
        ...process.env,
        ...{ HOME: this.home, XDG_CONFIG_HOME: join(this.home, '.config'), LOGNAME: 'alice' },
        // Raw transports are sent by the posternd that is installed beside the client.
        PATH: `${join(ROOT, 'bin')}:${process.env['PATH'] ?? ''}`,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 30_000,
    });
    let [out, err] = ['', ''];
    child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()));
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        resolve({ code: code ?? -1, out, err });
      });
    });
  }

  /** A packet as it would be sent: the text of its payload. Throws with what the client says when it makes none. */
  async packet(...args: readonly string[]): Promise<string> {
    const file = join(this.home, 'packet');
    const { code, out, err } = await this.run('--test', '--save-packet', file, ...args);
    if (code !== 0) throw new Error(`fwknop: ${out}${err}`);
    return readFileSync(file, 'latin1').trim();
  }

  [Symbol.dispose](): void {
    removeTemporary(this.home);
  }
}
