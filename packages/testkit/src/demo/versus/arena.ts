/** Where a contestant shows what it can: a gate with a service and a world of many addresses, joined by a wire that can be made lossy. */
import { createServer } from 'node:net';
import process from 'node:process';
import { ranToEnd, type Ran } from '../../gate-process.ts';
import { inNamespace } from '../../in-namespace.ts';
import { Namespace } from '../../namespace.ts';
import { tcpAnswers } from '../../tcp-answer.ts';

/** Addresses of the gate. */
export const GATE = { 4: '10.78.0.1', 6: 'fd78::1' } as const;
/** Somebody on the users' network who may not come in. */
export const STRANGER = '10.78.0.66';
/** The user who has IPv6. */
export const USER6 = 'fd78::2';
/** The hidden service. */
export const SERVICE_PORT = 22;
/** Seconds for which a knock opens it. */
export const GRANT_SECONDS = 4;
/** Each user knocks once: what was opened for one says nothing of the next. */
const USERS = 120;
/** Milliseconds from one user to the next, at the least: a quick client shall not be done before the junk tells. */
const PACE = 250;
/** Milliseconds within which somebody who knocked must be in, and between two connections that are tried meanwhile. */
const [PATIENCE, GAP] = [2_500, 200] as const;

const sleep = (milliseconds: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Namespaces and service; all of it ends with it. */
export class Arena implements Disposable {
  readonly gateSide: Namespace;
  readonly world: Namespace;
  /** The ends of the wire: the gate's and the world's. */
  readonly wire: { readonly here: string; readonly there: string };
  readonly #stack = new DisposableStack();
  #used = 0;

  private constructor() {
    this.gateSide = this.#stack.use(new Namespace('gate'));
    this.world = this.#stack.use(new Namespace('world'));
    this.wire = this.gateSide.connect(this.world, [`${GATE[4]}/16`, `${GATE[6]}/64`], [`${USER6}/64`]);
  }

  static async build(): Promise<Arena> {
    const self = new Arena();
    try {
      await self.#furnish();
      return self;
    } catch (error) {
      self[Symbol.dispose]();
      throw error;
    }
  }

  async #furnish(): Promise<void> {
    const addresses = [STRANGER, ...Array.from({ length: USERS }, (_, i) => userAddress(i))];
    const commands = addresses.map((it) => `address add ${it}/16 dev ${this.wire.there}\n`);
    this.world.run('ip', ['-batch', '-'], commands.join(''));
    // Spoofed packets come from anywhere: a kernel that wants to know the way back shall know one.
    this.gateSide.run('ip', ['route', 'add', 'default', 'via', STRANGER]);
    const service = this.#stack.adopt(
      createServer((socket) => socket.on('error', () => undefined).end('welcome\n')),
      (it) => void it.close(),
    );
    await inNamespace(this.gateSide, () => new Promise<void>((done) => service.listen(SERVICE_PORT, '::', done)));
  }

  /** Addresses of so many users who have not knocked yet. */
  users(count: number): string[] {
    this.#used += count;
    if (this.#used > USERS) throw new RangeError(`there are ${String(USERS)} users`);
    return Array.from({ length: count }, (_, i) => userAddress(this.#used - count + i));
  }

  /** From now on what the world sends over IPv4 comes from this address. */
  speakAs(address: string): void {
    this.world.run('ip', ['route', 'replace', '10.78.0.0/16', 'dev', this.wire.there, 'scope', 'link', 'src', address]);
  }

  /** Runs a program in the world to its end, 20 s at most. */
  async run(
    program: string,
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Ran> {
    const child = this.world.spawn(program, args, {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 20_000,
    });
    return await ranToEnd(child);
  }

  /** Whether the service accepts a connection from an address within `patience` milliseconds. */
  async admits(from: string, patience: number = PATIENCE): Promise<boolean> {
    return await inNamespace(this.world, () => connects(from, patience));
  }

  /** Lets users knock one after the other, and each connect as soon as he did; how many of them got in. */
  async admitted(users: readonly string[], knock: (from: string) => Promise<unknown>): Promise<number> {
    return await inNamespace(this.world, async () => {
      const following: Promise<boolean>[] = [];
      for (const user of users) {
        this.speakAs(user);
        const next = sleep(PACE);
        await knock(user);
        following.push(connects(user, PATIENCE));
        await next;
      }
      return (await Promise.all(following)).filter(Boolean).length;
    });
  }

  /** Loses a part of the packets, each way, until it is disposed; not those of the service: they would test TCP. */
  lose(percent: number): Disposable {
    const ends = [
      [this.gateSide, this.wire.here],
      [this.world, this.wire.there],
    ] as const;
    for (const [namespace, device] of ends)
      namespace.run(
        'nft',
        ['-f', '-'],
        `table netdev lossy {
          chain egress {
            type filter hook egress device "${device}" priority 0;
            tcp dport ${String(SERVICE_PORT)} accept
            tcp sport ${String(SERVICE_PORT)} accept
            meta protocol ip numgen random mod 100 < ${String(percent)} drop
          }
        }`,
      );
    return {
      [Symbol.dispose]: () => {
        for (const [namespace] of ends) namespace.run('nft', ['delete', 'table', 'netdev', 'lossy']);
      },
    };
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

function userAddress(index: number): string {
  return `10.78.1.${String(index + 1)}`;
}

/** Some servers open late: new connections are tried while the kernel still repeats the SYN of the ones before. */
async function connects(from: string, patience: number): Promise<boolean> {
  const host = from.includes(':') ? GATE[6] : GATE[4];
  const accepted = new AbortController();
  const end = performance.now() + patience;
  const underway: Promise<void>[] = [];
  const attempt = async (wait: number): Promise<void> => {
    if (await tcpAnswers({ host, port: SERVICE_PORT, localAddress: from }, wait)) accepted.abort();
  };
  for (let left = patience; left > 0 && !accepted.signal.aborted; left = end - performance.now()) {
    underway.push(attempt(left));
    await sleep(GAP);
  }
  // Who is in does not wait for the others.
  if (!accepted.signal.aborted) await Promise.all(underway);
  return accepted.signal.aborted;
}
