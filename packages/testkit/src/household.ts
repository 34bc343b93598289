/** A gate and a world with everything real: posternd made by `init`, a user, a device that joined. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { BadWire, type BadWireOptions } from './bad-wire.ts';
import { GateFiles, PROGRAMS, ranToEnd, runProgramIn, type Ran } from './gate-process.ts';
import { inNamespace } from './in-namespace.ts';
import { Namespace } from './namespace.ts';
import { tcpAnswers } from './tcp-answer.ts';

/** Addresses of the gate. */
export const GATE = { 4: '10.77.0.1', 6: 'fd77::1' } as const;
/** Addresses of the device's host. */
export const DEVICE = { 4: '10.77.0.2', 6: 'fd77::2' } as const;
/** Addresses of a stranger on the same host as the device. */
export const STRANGER = { 4: '10.77.0.66', 6: 'fd77::66' } as const;

/** How a household is built. */
export interface HouseholdOptions {
  /** Replaces the services that `init` wrote; TOML. */
  readonly services?: string;
  /** Lines for [gate]. */
  readonly gate?: string;
  readonly wire?: BadWireOptions;
  /** False: stop before `posternd run`. */
  readonly start?: boolean;
}

/** Namespaces, gate and device; all of it ends with it. */
export class Household implements AsyncDisposable {
  readonly gateSide: Namespace;
  readonly world: Namespace;
  readonly gate: GateFiles;
  /** XDG_CONFIG_HOME of the device. */
  readonly home: string;
  readonly #stack = new AsyncDisposableStack();

  private constructor() {
    this.gateSide = this.#stack.use(new Namespace('gate'));
    this.world = this.#stack.use(new Namespace('world'));
    this.gate = this.#stack.use(new GateFiles(this.gateSide));
    this.home = join(this.gate.directory, 'home');
  }

  static async build(options: HouseholdOptions = {}): Promise<Household> {
    const self = new Household();
    try {
      await self.#lay(options.wire);
      self.#init(options);
      if (options.start !== false) await self.gate.start();
      return self;
    } catch (error) {
      await self[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Adds a user and lets a device join as `demo` in `home`. */
  join(user = 'alice', home: string = this.home): void {
    const { invite } = this.gate.json('user', 'add', user) as { invite: string };
    this.joinWith(invite, home);
  }

  /** Lets a device join with this invite. */
  joinWith(invite: string, home: string = this.home): void {
    mkdirSync(home, { recursive: true, mode: 0o700 });
    const joined = runProgramIn(this.world, 'postern', ['join', '-', '--name', 'demo'], {
      input: invite,
      environment: { XDG_CONFIG_HOME: home },
    });
    if (joined.code !== 0) throw new Error(`postern join: ${joined.err}`);
  }

  /** Runs `postern` as the device does. */
  postern(...args: string[]): Ran {
    return runProgramIn(this.world, 'postern', args, { environment: { XDG_CONFIG_HOME: this.home } });
  }

  /** The same without waiting. */
  posternLater(...args: string[]): Promise<Ran> {
    const [program, ...leading] = PROGRAMS.postern;
    const child = this.world.spawn(program, [...leading, ...args], {
      env: { ...process.env, XDG_CONFIG_HOME: this.home },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return ranToEnd(child);
  }

  /** Whether a TCP port of the gate answers a connection from an address of the world within `wait` milliseconds. */
  async reaches(port: number, from: string = DEVICE[4], wait = 1000): Promise<boolean> {
    const host = from.includes(':') ? GATE[6] : GATE[4];
    return await inNamespace(this.world, () => tcpAnswers({ host, port, localAddress: from }, wait));
  }

  /** Lines of our table that hold an IPv4 or IPv6 grant element. */
  grants(): string[] {
    const table = this.gateSide.run('nft', ['list', 'table', 'inet', 'postern']);
    return table.split('\n').filter((line) => /[0-9a-f.:]{3,} \. (?:tcp|udp) \. \S+ .*comment "/.test(line));
  }

  async #lay(wire: BadWireOptions | undefined): Promise<void> {
    const here = [`${GATE[4]}/24`, `${GATE[6]}/64`];
    const there = [DEVICE, STRANGER].flatMap((host) => [`${host[4]}/24`, `${host[6]}/64`]);
    if (wire === undefined) this.gateSide.connect(this.world, here, there);
    else {
      const ends = [
        { namespace: this.gateSide, addresses: here },
        { namespace: this.world, addresses: there },
      ] as const;
      this.#stack.use(await BadWire.join(ends[0], ends[1], wire));
    }
    // The device's system shall not take the stranger's address for its own.
    const device = /^\d+: (v\w+)/m.exec(this.world.run('ip', ['-o', 'link', 'show', 'type', 'veth']))?.[1] ?? '';
    this.world.run('ip', ['address', 'change', `${STRANGER[6]}/64`, 'dev', device, 'preferred_lft', '0']);
  }

  #init({ services, gate }: HouseholdOptions): void {
    const init = this.gate.command(
      ...['init', '--yes', '--name', 'test', '--address', GATE[4], '--address', GATE[6], '--service', 'ssh=tcp/22'],
      ...['--state', join(this.gate.directory, 'state'), '--socket', join(this.gate.runtime, 'posternd.sock')],
    );
    if (init.code !== 0) throw new Error(`posternd init: ${init.err}`);
    if (services === undefined && gate === undefined) return;
    const text = readFileSync(this.gate.config, 'utf8');
    const at = text.search(/^\[services\./m);
    const head = gate === undefined ? text.slice(0, at) : text.slice(0, at).replace('[gate]\n', `[gate]\n${gate}\n`);
    writeFileSync(this.gate.config, head + (services ?? text.slice(at)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
