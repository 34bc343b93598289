/**
 * A small Debian to install things on: the root of debian-root.ts with changes in memory, processes, host name and network of its own.
 * All of it ends with the process that holds it, whatever becomes of the test.
 */
import type { Namespace } from '@postern/testkit';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { debianRoot } from './debian-root.ts';

/** Where the root is within the machine's own mount namespace. */
const AT = '/mnt';

/** Lays the root over memory, with /proc, /run and the devices that every service has; then holds it. */
const HOLD = `set -e
mount -t tmpfs -o mode=755 tmpfs ${AT}
mkdir ${AT}/upper ${AT}/work ${AT}/root
mount -t overlay overlay -o "lowerdir=$1,upperdir=${AT}/upper,workdir=${AT}/work" ${AT}/root
cd ${AT}/root
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs run
mkdir -p run/lock run/sshd run/systemd/system
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for device in null:3 zero:5 full:7 random:8 urandom:9; do
  mknod -m 666 "dev/\${device%:*}" c 1 "\${device#*:}"
done
mknod -m 666 dev/tty c 5 0
hostname "$2"
echo "$2" >etc/hostname
exec chroot ${AT}/root sh -c 'echo held; exec sleep infinity'`;

/** What a command printed and how it ended. */
export interface Ran {
  readonly code: number;
  readonly out: string;
}

/** One machine, in a network namespace that somebody else made. */
export class Machine implements Disposable {
  readonly namespace: Namespace;
  readonly #holder: ChildProcess;
  /** The first process inside, as this system counts. */
  readonly #pid: number;

  /** The file system of the machine's root: what has another one is not the machine. */
  readonly #device: number;

  private constructor(namespace: Namespace, holder: ChildProcess, pid: number) {
    this.namespace = namespace;
    this.#holder = holder;
    this.#pid = pid;
    this.#device = rootOf(pid);
    if (this.#device === rootOf(process.pid)) throw new Error('the machine has no root of its own');
  }

  static async start(namespace: Namespace, name: string): Promise<Machine> {
    const isolated = ['--mount', '--uts', '--ipc', '--pid', '--fork', '--kill-child', '--propagation', 'private', '--'];
    const shell = ['sh', '-c', HOLD, 'hold', debianRoot(), name];
    // It ends with this process, whatever becomes of that.
    const holder = namespace.spawn('setpriv', ['--pdeathsig=KILL', 'unshare', ...isolated, ...shell], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said = await Promise.race([once(holder.stdout ?? holder, 'data'), once(holder, 'exit')]);
    const children = readFileSync(`/proc/${String(holder.pid)}/task/${String(holder.pid)}/children`, 'utf8');
    if (!String(said[0]).startsWith('held')) throw new Error(`the machine ${name} did not start`);
    return new Machine(namespace, holder, Number(children));
  }

  /**
   * A path inside, as this process reaches it.
   * @throws Error when the machine is gone: the path could lead to this system's own files
   */
  path(inside: string): string {
    if (rootOf(this.#pid) !== this.#device) throw new Error('the machine is gone');
    return join(`/proc/${String(this.#pid)}/root`, inside);
  }

  /** Program and arguments that run a program inside, from root's home and with nothing of this process's environment. */
  inside(...command: readonly string[]): [string, ...string[]] {
    const clean = ['env', '-i', 'HOME=/root', 'USER=root', 'TERM=dumb', 'LANG=C.UTF-8', `PATH=${PATH}`];
    return ['nsenter', ...this.#where(), '--root', `--wd=${this.path('/root')}`, ...clean, ...command];
  }

  /** Program and arguments that run a program of this system, beside the machine's root, which is at {@link AT}`/root`. */
  beside(...command: readonly string[]): [string, ...string[]] {
    return ['nsenter', ...this.#where(), ...command];
  }

  /** Runs a line of shell inside to its end. */
  async run(line: string): Promise<Ran> {
    const [program, ...args] = this.inside('sh', '-c', line);
    return await ended(spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
  }

  /** The same; throws with what it printed when it fails. */
  async must(line: string): Promise<string> {
    const { code, out } = await this.run(line);
    if (code !== 0) throw new Error(`${line}: ended with ${String(code)}: ${out}`);
    return out;
  }

  /**
   * Runs a line of shell inside on a terminal. `answer` gets what was printed since the last answer, whenever there is
   * more, and returns what is typed, or undefined.
   */
  async type(line: string, answer: (text: string) => string | undefined = () => undefined): Promise<Ran> {
    const [program, ...args] = this.inside('bash', '-c', line);
    const quoted = [program, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
    const child = spawn('script', ['-qefc', quoted, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
    let fresh = '';
    child.stdout.on('data', (chunk: Buffer) => {
      fresh += chunk.toString();
      const typed = answer(fresh);
      if (typed === undefined) return;
      fresh = '';
      child.stdin.write(`${typed}\r`);
    });
    return await ended(child);
  }

  #where(): string[] {
    return [`--target=${String(this.#pid)}`, '--mount', '--uts', '--ipc', '--net', '--pid'];
  }

  [Symbol.dispose](): void {
    try {
      process.kill(this.#pid, 'SIGKILL');
    } catch {
      // it ended by itself
    }
    this.#holder.kill('SIGKILL');
  }
}

/** Waits until a program ends; two minutes at most. */
async function ended(child: ChildProcess): Promise<Ran> {
  const timer = setTimeout(() => child.kill('SIGKILL'), 120_000);
  let out = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  return { code: code ?? -1, out };
}

function rootOf(pid: number): number {
  return statSync(`/proc/${String(pid)}/root/`).dev;
}

/** The tree of a machine, for {@link Machine.beside}. */
export const MACHINE_ROOT: string = `${AT}/root`;

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
