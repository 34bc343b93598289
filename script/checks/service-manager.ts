/**
 * Stands in for systemd in a machine whose PID 1 is something else: a `systemctl` inside that asks this process, which runs a unit's
 * ExecStart under the unit's own restrictions (start-unit-process.ts), waits for READY=1 and keeps what the service says.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import * as libc from '../../packages/gate/src/system/libc.ts';
import { ROOT } from './copy.ts';
import { type Machine, MACHINE_ROOT } from './machine.ts';
import { section, values } from '@postern/testkit/systemd-unit';

const FIXTURE = join(ROOT, 'packages/testkit/src/start-unit-process.ts');
const PLACES = ['/usr/local/lib/systemd/system', '/usr/lib/systemd/system'];
const WANTS = '/etc/systemd/system/multi-user.target.wants';
const NOTIFY = '/run/systemd/notify';
const SYSTEMCTL = `#!/bin/sh
# Asks the test, which is the service manager here.
answer=/run/systemd/answer.$$
mkfifo $answer
echo "$$ $*" >/run/systemd/ask
read -r code text <$answer
rm $answer
echo "$text"
exit "$code"
`;
const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The service manager of one machine. */
export class ServiceManager implements Disposable {
  /** What services wrote to standard error, all of them and all starts. */
  journal = '';
  readonly #machine: Machine;
  readonly #listener: ChildProcess;
  readonly #notify: number;
  #service: ChildProcess | undefined;
  #mainPid = 0;

  static async start(machine: Machine): Promise<ServiceManager> {
    writeFileSync(machine.path('/usr/bin/systemctl'), SYSTEMCTL, { mode: 0o755 });
    await machine.must('mkfifo /run/systemd/ask');
    return new ServiceManager(machine);
  }

  private constructor(machine: Machine) {
    this.#machine = machine;
    this.#notify = bindNotify(machine.path(NOTIFY));
    const [program, ...args] = machine.inside(
      'sh',
      '-c',
      'exec 3<>/run/systemd/ask; while read -r line <&3; do echo "$line"; done',
    );
    this.#listener = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface({ input: this.#listener.stdout ?? process.stdin });
    lines.on('line', (line) => {
      // Who asked may be gone, with the machine.
      this.#answer(line).catch(() => undefined);
    });
  }

  /** Process id of the service as the machine counts; 0 if none runs. */
  get mainPid(): number {
    return this.#mainPid;
  }

  async #answer(line: string): Promise<void> {
    const [caller = '', ...words] = line.split(' ');
    let answer = '0';
    try {
      await this.#obey(words);
    } catch (error) {
      answer = `1 ${error instanceof Error ? error.message.replaceAll('\n', ' ') : 'failed'}`;
    }
    await writeFile(this.#machine.path(`/run/systemd/answer.${caller}`), `${answer}\n`);
  }

  async #obey([verb = '', ...words]: readonly string[]): Promise<void> {
    const now = words.includes('--now');
    const name = `${(words.at(-1) ?? '').replace(/\.service$/, '')}.service`;
    switch (verb) {
      case 'daemon-reload':
        return;
      case 'enable':
        mkdirSync(this.#machine.path(WANTS), { recursive: true });
        symlinkSync(this.#find(name), this.#machine.path(join(WANTS, name)));
        if (now) await this.#start(name);
        return;
      case 'disable':
        rmSync(this.#machine.path(join(WANTS, name)), { force: true });
        if (now) await this.#stop();
        return;
      case 'try-restart':
        if (this.#service === undefined) return;
        await this.#stop();
        await this.#start(name);
        return;
      default:
        throw new Error(`systemctl ${verb} is not known here`);
    }
  }

  #find(name: string): string {
    const found = PLACES.map((place) => join(place, name)).find((path) => existsSync(this.#machine.path(path)));
    if (found === undefined) throw new Error(`there is no unit ${name}`);
    return found;
  }

  async #start(name: string): Promise<void> {
    const unit = this.#machine.path(this.#find(name));
    const conditions = values(section(readFileSync(unit, 'utf8'), 'Unit'), 'ConditionPathExists');
    // As systemd does: not started, and no error.
    if (this.#service !== undefined || !conditions.every((path) => existsSync(this.#machine.path(path)))) return;
    const isolated = ['unshare', '--mount', '--propagation', 'private', '--'];
    const node = [process.execPath, '--conditions=source', FIXTURE, MACHINE_ROOT, join(MACHINE_ROOT, this.#find(name))];
    const [program, ...args] = this.#machine.beside(...isolated, ...node);
    const child = spawn(program, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env['PATH'], NOTIFY_SOCKET: NOTIFY },
    });
    this.#service = child;
    child.stderr.on('data', (chunk: Buffer) => (this.journal += chunk.toString()));
    child.once('exit', () => {
      this.#service = undefined;
      this.#mainPid = 0;
    });
    const deadline = Date.now() + 60_000;
    while (this.#mainPid === 0) {
      await sleep(30);
      if (child.exitCode !== null || Date.now() > deadline) throw new Error(`${name} did not start: ${this.journal}`);
      const told = receive(this.#notify);
      if (/^READY=1$/m.test(told)) this.#mainPid = Number(/^MAINPID=(\d+)$/m.exec(told)?.[1]);
    }
  }

  async #stop(): Promise<void> {
    const child = this.#service;
    if (child === undefined) return;
    const gone = once(child, 'exit');
    await this.#machine.must(`kill -TERM ${String(this.#mainPid)}`);
    await gone;
  }

  [Symbol.dispose](): void {
    this.#listener.kill('SIGKILL');
    this.#service?.kill('SIGKILL');
    libc.close(this.#notify);
  }
}

/** A datagram socket with a name in the file system, for sd_notify(3). */
function bindNotify(path: string): number {
  const AF_UNIX = 1;
  const fd = libc.socket(AF_UNIX, libc.SOCKET.SOCK_DGRAM, 0);
  const address = libc.fixedBytes(2 + path.length + 1);
  address[0] = AF_UNIX;
  address.set(Buffer.from(path, 'latin1'), 2);
  const bound = libc.bindSocket(fd, address);
  if (bound < 0) throw new Error(`${path}: ${libc.errnoName(bound)}`);
  return fd;
}

function receive(fd: number): string {
  const into = libc.fixedBytes(1024);
  const size = libc.receive(fd, into, libc.SOCKET.MSG_DONTWAIT);
  return size <= 0 ? '' : Buffer.from(into.subarray(0, size)).toString('latin1');
}
