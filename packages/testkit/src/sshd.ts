/** A real OpenSSH server in a namespace, with throw-away keys, from the unpacked package under `.tools/` or from the system. */
import { execFileSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Namespace } from './namespace.ts';
import { removeTemporary, temporaryDirectory } from './temporary.ts';
import { unpacked } from './unpacked.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const USUAL_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Path of the sshd program; script/bootstrap unpacks it. */
export function sshdProgram(): string {
  const found = unpacked('openssh-server', 'usr/sbin/sshd');
  if (!existsSync(found)) throw new Error(`no sshd at ${found}: run script/bootstrap test`);
  return found;
}

/** A running sshd. Its keys are made for this one run and are removed with it. */
export class Sshd implements AsyncDisposable {
  readonly port: number;
  /** Arguments for `ssh` that use the throw-away keys and no configuration of the user's. */
  readonly clientArguments: readonly string[];
  /** The client's key. */
  readonly identity: string;
  readonly #directory: string;
  readonly #process: ChildProcess;

  private constructor(port: number, clientArguments: readonly string[], directory: string, child: ChildProcess) {
    this.port = port;
    this.clientArguments = clientArguments;
    this.identity = join(directory, 'client');
    this.#directory = directory;
    this.#process = child;
  }

  /** Starts sshd on `port`; resolves when it listens. `path`: PATH of what is run through it. */
  static async start(namespace: Namespace, port = 22, options: { readonly path?: string } = {}): Promise<Sshd> {
    const directory = temporaryDirectory('postern-sshd-');
    chmodSync(directory, 0o755);
    const at = (name: string): string => join(directory, name);
    for (const name of ['host', 'client'])
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(name), '-C', 'throw-away']);
    const authorized = at('authorized_keys');
    writeFileSync(authorized, readFileSync(at('client.pub')));
    // The unpacked package made no user for privilege separation; this one exists only in sshd's own mount namespace.
    // An empty home: what the machine's own ~/.bashrc says is no part of a test.
    mkdirSync(at('home'));
    const passwd = readFileSync('/etc/passwd', 'utf8').replace(
      /^(root:[^:]*:[^:]*:[^:]*:[^:]*:)[^:]*/m,
      (_, before: string) => before + at('home'),
    );
    writeFileSync(
      at('passwd'),
      /^sshd:/m.test(passwd) ? passwd : `${passwd}sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n`,
    );
    writeFileSync(
      at('sshd_config'),
      [
        `Port ${String(port)}`,
        `HostKey ${at('host')}`,
        `AuthorizedKeysFile ${authorized}`,
        'PidFile none',
        'StrictModes no',
        'UsePAM no',
        'PermitRootLogin prohibit-password',
        'PasswordAuthentication no',
        'KbdInteractiveAuthentication no',
        'UseDNS no',
        'PrintMotd no',
        'PrintLastLog no',
        'Subsystem sftp internal-sftp',
        'MaxStartups 100',
        `SetEnv PATH=${options.path ?? USUAL_PATH}:${join(ROOT, '.tools/rsync/usr/bin')}`,
        '',
      ].join('\n'),
    );
    const shell = `mount --bind ${at('passwd')} /etc/passwd && mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec ${sshdProgram()} -D -e -f ${at('sshd_config')}`;
    const child = namespace.spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', shell], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4096)));
    const clientArguments = [
      '-F',
      'none',
      '-i',
      at('client'),
      '-o',
      `UserKnownHostsFile=${at('known_hosts')}`,
      '-o',
      'StrictHostKeyChecking=accept-new',
      '-o',
      'IdentitiesOnly=yes',
      '-o',
      'BatchMode=yes',
      '-o',
      'LogLevel=ERROR',
      '-o',
      'ConnectTimeout=5',
      '-p',
      String(port),
      '-l',
      'root',
    ];
    const self = new Sshd(port, clientArguments, directory, child);
    const deadline = Date.now() + 10_000;
    while (!listening(namespace, port)) {
      if (child.exitCode !== null || Date.now() > deadline) {
        await self[Symbol.asyncDispose]();
        throw new Error(`sshd did not start: ${said.trim()}`);
      }
      await new Promise((done) => setTimeout(done, 20));
    }
    return self;
  }

  /** Process id of the listening server. */
  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill('SIGTERM');
      await once(this.#process, 'exit');
    }
    removeTemporary(this.#directory);
  }
}

function listening(namespace: Namespace, port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const tables = namespace.run('cat', ['/proc/net/tcp', '/proc/net/tcp6']);
  return tables.split('\n').some((line) => line.includes(`:${hex} `) && / 0A /.test(line));
}
