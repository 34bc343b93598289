/** Network namespaces for tests, made with iproute2 and removed again however the test ends. */
import { execFileSync, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import process from 'node:process';

/** Set by script/test, so that what a run left behind can be told from what another one is using. */
const RUN = process.env['POSTERN_TEST_RUN'] ?? '';

const living = new Set<Namespace>();
let hooked = false;

function removeAll(): void {
  for (const namespace of [...living]) namespace[Symbol.dispose]();
}

function hook(): void {
  if (hooked) return;
  hooked = true;
  process.on('exit', removeAll);
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.once(signal, () => {
      removeAll();
      process.exit(code);
    });
  }
}

/** Whether this process may make namespaces; a test that cannot must say so loudly, and fails with CI=true. */
export function namespacesAvailable(): boolean {
  return process.getuid?.() === 0;
}

/** One network namespace with loopback up. Disposing it ends every process in it (by its pid) and removes it. */
export class Namespace implements Disposable {
  readonly name: string;

  constructor(label: string) {
    hook();
    this.name = `pt-${label}-${RUN}${randomBytes(3).toString('hex')}`;
    execFileSync('ip', ['netns', 'add', this.name]);
    living.add(this);
    this.run('ip', ['link', 'set', 'lo', 'up']);
  }

  /** Runs a program in the namespace to its end; throws with its stderr if it fails. Returns its stdout. */
  run(program: string, args: readonly string[], input?: string): string {
    return execFileSync('ip', ['netns', 'exec', this.name, program, ...args], {
      encoding: 'utf8',
      ...(input === undefined ? {} : { input }),
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      maxBuffer: 1 << 28,
    });
  }

  /** Starts a program in the namespace; its pid is the program's own (`ip netns exec` execs it). */
  spawn(program: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    return spawn('ip', ['netns', 'exec', this.name, program, ...args], options);
  }

  /** Joins this namespace and `other` by a veth pair named after the far end; gives each side its addresses (CIDR). */
  connect(other: Namespace, here: readonly string[], there: readonly string[]): { here: string; there: string } {
    const id = randomBytes(3).toString('hex');
    const a = `v${id}a`;
    const b = `v${id}b`;
    execFileSync('ip', ['link', 'add', a, 'netns', this.name, 'type', 'veth', 'peer', 'name', b, 'netns', other.name]);
    for (const [namespace, device, addresses] of [
      [this, a, here],
      [other, b, there],
    ] as const) {
      for (const address of addresses) {
        namespace.run('ip', ['address', 'add', address, 'dev', device, ...(address.includes(':') ? ['nodad'] : [])]);
      }
      // no duplicate address detection: it would keep the link's own address back for a second or two
      namespace.run('sh', ['-c', `echo 0 > /proc/sys/net/ipv6/conf/${device}/accept_dad`]);
      namespace.run('ip', ['link', 'set', device, 'up']);
    }
    this.#awaitIpv6(a);
    other.#awaitIpv6(b);
    return { here: a, there: b };
  }

  /** Until the kernel has the multicast route of a device it drops neighbour solicitations there. */
  #awaitIpv6(device: string): void {
    const deadline = Date.now() + 5_000;
    while (!this.run('ip', ['-6', 'route', 'show', 'table', 'local', 'dev', device]).includes('multicast ff00::/8')) {
      if (Date.now() > deadline) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }

  /** Ends the processes that live in the namespace and removes it. */
  [Symbol.dispose](): void {
    if (!living.delete(this)) return;
    try {
      const pids = execFileSync('ip', ['netns', 'pids', this.name], { encoding: 'utf8' }).split('\n').filter(Boolean);
      for (const pid of pids) {
        if (Number(pid) === process.pid) continue;
        try {
          process.kill(Number(pid), 'SIGKILL');
        } catch {
          // it ended by itself
        }
      }
    } finally {
      execFileSync('ip', ['netns', 'delete', this.name]);
    }
  }
}
