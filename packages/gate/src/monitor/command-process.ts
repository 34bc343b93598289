import { spawn, type ChildProcess } from 'node:child_process';
import { dirname, extname, join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type CommandOrder, type CommandReport, decodeReport } from '../line/command-line.ts';
import { closeOnExec } from '../system/libc.ts';
import type { Log } from './log.ts';

const SOURCE = extname(import.meta.filename) === '.ts';
const ENTRY = join(dirname(fileURLToPath(import.meta.url)), `../runner/main${extname(import.meta.filename)}`);
/** What commands of root may do at most (iptables, nft, raw packets), and what it takes to become somebody else and to end what hangs. */
const KEPT = '-all,+net_admin,+net_raw,+setuid,+setgid,+setpcap,+kill';
const NODE_FLAGS = [
  '--max-semi-space-size=1',
  '--v8-pool-size=1',
  '--disable-sigusr1',
  ...(SOURCE ? ['--conditions=source'] : []),
];
/** Orders that wait for an answer; one more is refused. */
const MOST_ORDERS = 1024;

/** The process that runs commands, started with the first one. Disposing it ends the process and what it runs. */
export class CommandProcess implements Disposable {
  readonly #log: Log;
  readonly #waiting = new Map<number, (report: CommandReport) => void>();
  readonly #entry: string;
  #child: ChildProcess | undefined;
  #next = 1;

  /** @param entry - entry module of the runner */
  constructor(log: Log, entry: string = ENTRY) {
    this.#log = log;
    this.#entry = entry;
  }

  /** Process id, while there is one. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Orders a command; `done` is called once, unless the gate ends before. False: too many wait. Does not block. */
  order(order: Omit<CommandOrder, 'id'>, done: (report: CommandReport) => void): boolean {
    if (this.#waiting.size >= MOST_ORDERS) return false;
    const id = this.#next++;
    this.#waiting.set(id, done);
    (this.#child ??= this.#start()).stdin?.write(`${JSON.stringify({ ...order, id })}\n`);
    return true;
  }

  #start(): ChildProcess {
    const privileges = [`--bounding-set=${KEPT}`, '--no-new-privs', '--pdeathsig=KILL'];
    // Whatever our own parent left open is not for commands.
    closeOnExec(3);
    const child = spawn('setpriv', [...privileges, '--', process.execPath, ...NODE_FLAGS, this.#entry], {
      cwd: '/',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    // A runner that ended is told by its end.
    child.stdin.on('error', () => undefined);
    createInterface({ input: child.stdout }).on('line', (line) => {
      const report = decodeReport(line);
      const done = report === undefined ? undefined : this.#waiting.get(report.id);
      if (report === undefined || done === undefined) return;
      this.#waiting.delete(report.id);
      done(report);
    });
    const ended = (what: string): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#log('error', 'the runner of commands ended; the next command starts another', { what });
      const lost = [...this.#waiting];
      this.#waiting.clear();
      for (const [id, done] of lost) done({ id, code: -1, how: 'not-started', output: 'the runner ended' });
    };
    child.once('error', (error) => {
      ended(error.message);
    });
    child.once('exit', (code, signal) => {
      ended(signal ?? String(code));
    });
    return child;
  }

  [Symbol.dispose](): void {
    const child = this.#child;
    this.#child = undefined;
    child?.kill('SIGKILL');
  }
}
