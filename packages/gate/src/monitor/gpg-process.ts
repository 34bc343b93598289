import { spawn, type ChildProcess } from 'node:child_process';
import { dirname, extname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { PersonError } from '@postern/terminal';
import { GPG_FRAME } from '../line/gpg-line.ts';
import type { GpgFile, GpgSetup, GpgSetupCredential } from '../line/gpg-setup.ts';
import * as libc from '../system/libc.ts';
import { BackOff } from './back-off.ts';
import { makeGpgDirectory, readKeyring, removeGpgDirectory } from './gpg-homes.ts';
import { messageOf, type Log } from './log.ts';
import { SentryOutput } from './sentry-output.ts';
import { mustRead, stripped, type NumericUser } from './sentry-user.ts';

/** How packets of one credential are decrypted. */
export interface GpgCredential {
  /** u16: its number on the sentry's line to the helper. */
  readonly credential: number;
  /** Directory with the keyring, which the monitor can read. */
  readonly home: string;
  /** Path of the program. */
  readonly program: string;
  /** Of the private key; undefined: it has none. */
  readonly passphrase: Uint8Array | undefined;
}

/** What the helper is made from. */
export interface GpgOptions {
  readonly credentials: readonly GpgCredential[];
  /** Whom it runs as: the sentry's user. */
  readonly user: NumericUser;
  /** Directory for its copies of the keyrings, in one that exists; made and removed here. The default: `gpg` beside posternd's socket. */
  readonly directory: string;
  readonly log: Log;
  /** The program to run instead of the helper's own; for tests. */
  readonly entry?: string;
}

/** A GPG helper that is kept running. Disposing it ends the process, all that it started, and its copies of keyrings. */
export interface GpgProcess extends Disposable {
  /** The sentry's end of its line, for descriptor 12 of every sentry that is started. It stays the same until disposal. */
  readonly sentryFd: number;
  /** Process id of the helper that runs now; undefined between two. */
  readonly pid: number | undefined;
  /** How many times it was started again because it ended. */
  readonly restarts: number;
  /** Resolves when, after disposal, the process is gone. */
  readonly closed: Promise<void>;
  /** Takes other credentials, and the keyrings as they are now, into use. What was asked before may draw no answer. */
  reload(credentials: readonly GpgCredential[]): void;
}

const SOURCE = extname(import.meta.filename) === '.ts';
const ENTRY = join(dirname(import.meta.dirname), 'gpg', `main${extname(import.meta.filename)}`);
const NODE_FLAGS = [
  '--max-semi-space-size=1',
  '--max-old-space-size=64',
  '--v8-pool-size=1',
  '--disable-sigusr1',
  ...(SOURCE ? ['--conditions=source'] : []),
];

/** Why a helper is ended that gets other credentials; its successor starts at once. */
const PLANNED = 'other credentials';

/**
 * Starts the helper that hands fwknop's GPG messages to gpg, and keeps it running. A keyring that cannot be used is told to the log, and its
 * messages are refused.
 * @throws PersonError when the helper's user cannot read the program or reach the directory
 */
export function startGpg(options: GpgOptions): GpgProcess {
  mustRead(options.user, [process.execPath, options.entry ?? ENTRY]);
  return new KeptGpg(options);
}

/** One process from its start to its end. */
interface Life {
  readonly child: ChildProcess;
  readonly output: SentryOutput;
  readonly started: number;
  /** Why it was killed, if we did it. */
  killed: string | undefined;
}

class KeptGpg implements GpgProcess {
  readonly sentryFd: number;
  readonly closed: Promise<void>;
  readonly #helperFd: number;
  readonly #options: GpgOptions;
  readonly #backOff = new BackOff();
  readonly #gone = Promise.withResolvers<undefined>();
  #credentials: readonly GpgCredential[];
  #life: Life | undefined;
  #again: NodeJS.Timeout | undefined;
  #disposed = false;
  #restarts = 0;

  constructor(options: GpgOptions) {
    this.#options = options;
    this.#credentials = options.credentials;
    this.closed = this.#gone.promise;
    // Both ends stay open here: each of the two processes may be started again.
    [this.sentryFd, this.#helperFd] = libc.streamPair();
    try {
      this.#begin();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  get pid(): number | undefined {
    return this.#life?.child.pid;
  }

  get restarts(): number {
    return this.#restarts;
  }

  reload(credentials: readonly GpgCredential[]): void {
    this.#credentials = credentials;
    if (this.#life !== undefined) end(this.#life, PLANNED);
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    clearTimeout(this.#again);
    const life = this.#life;
    if (life === undefined) this.#gone.resolve(undefined);
    else end(life, 'stopped');
    removeGpgDirectory(this.#options.directory, this.#options.user);
    libc.close(this.sentryFd);
    libc.close(this.#helperFd);
  }

  #begin(): void {
    const { user, directory, entry = ENTRY } = this.#options;
    const setup = this.#setup();
    makeGpgDirectory(directory, user);
    const [program, ...args] = stripped(user, [process.execPath, ...NODE_FLAGS, entry, directory]);
    // Whatever our own parent left open is not for the helper.
    libc.closeOnExec(3);
    const child = spawn(program, args, {
      stdio: ['pipe', 'ignore', 'pipe', this.#helperFd],
      env: {},
      cwd: '/',
      // A process group of its own, which its agents share and end with.
      detached: true,
    });
    const output = new SentryOutput((text) => {
      this.#options.log('warning', `gpg: ${text}`);
    });
    const life: Life = { child, output, started: performance.now(), killed: undefined };
    this.#life = life;
    child.stderr?.on('data', (piece: Buffer) => {
      output.push(piece);
    });
    // A helper that ended is told by its end.
    child.stdin?.on('error', () => undefined);
    child.on('error', (error) => {
      output.push(Buffer.from(`${error.message}\n`));
    });
    child.on('close', (code, signal) => {
      this.#ended(life, signal ?? `exit code ${String(code)}`);
    });
    child.stdin?.write(`${JSON.stringify(setup)}\n`);
  }

  /** Keyrings are read at every start, and held no longer than it takes to pass them on. */
  #setup(): GpgSetup {
    const homes: (readonly GpgFile[])[] = [];
    const known = new Map<string, number | undefined>();
    const credentials: GpgSetupCredential[] = [];
    for (const { credential, home, program, passphrase } of this.#credentials) {
      if (!known.has(home)) {
        const files = this.#read(home);
        known.set(home, files === undefined ? undefined : homes.push(files) - 1);
      }
      const index = known.get(home);
      if (index === undefined) continue;
      const secret = passphrase === undefined ? undefined : Buffer.from(passphrase).toString('base64');
      credentials.push({ credential, home: index, program, passphrase: secret });
    }
    return { homes, credentials };
  }

  #read(home: string): readonly GpgFile[] | undefined {
    try {
      return readKeyring(home);
    } catch (error) {
      const hint = error instanceof PersonError ? error.hint : undefined;
      this.#options.log('error', `no GPG packet is accepted with it: ${messageOf(error)}`, { hint });
      return undefined;
    }
  }

  #ended(life: Life, how: string): void {
    life.output.end();
    this.#life = undefined;
    // Its agents are in its group, also where it ended by itself.
    endGroup(life.child);
    if (this.#disposed) {
      removeGpgDirectory(this.#options.directory, this.#options.user);
      this.#gone.resolve(undefined);
      return;
    }
    this.#drain();
    if (life.killed === PLANNED) {
      this.#startAgain();
      return;
    }
    const delay = this.#backOff.after(performance.now() - life.started);
    this.#restarts++;
    this.#options.log('error', 'the GPG helper ended and is started again', { what: life.killed ?? how, delay });
    this.#again = setTimeout(() => {
      this.#startAgain();
    }, delay);
  }

  #startAgain(): void {
    try {
      this.#begin();
    } catch (error) {
      // Somebody closed a directory meanwhile; requests and port knocks go on without GPG.
      this.#options.log('error', `the GPG helper cannot be started: ${messageOf(error)}`);
      this.#again = setTimeout(() => {
        this.#startAgain();
      }, this.#backOff.after(0));
    }
  }

  /** What the last helper did not read, part of a frame perhaps, is not for the next one. */
  #drain(): void {
    const waste = new Uint8Array(64 * GPG_FRAME);
    while (libc.receive(this.#helperFd, waste, libc.SOCKET.MSG_DONTWAIT) > 0);
  }
}

function end(life: Life, why: string): void {
  life.killed ??= why;
  endGroup(life.child);
  life.child.kill('SIGKILL');
}

/** Ends the helper and the agents that it started. */
function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // There is nobody in it any more.
  }
}
