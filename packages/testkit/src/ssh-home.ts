/** A person's home in the world of a household, for the real programs of OpenSSH: ssh takes it from the user database, so there is one of its own. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { PROGRAMS, type Ran } from './gate-process.ts';
import type { Namespace } from './namespace.ts';
import { removeTemporary, temporaryDirectory } from './temporary.ts';

/** What a program printed, how it ended, and how long it took in milliseconds. */
export interface Timed extends Ran {
  readonly milliseconds: number;
}

/** How a line is run. */
export interface Typing {
  readonly input?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Output that is waited for before the input is given. The time that counts is then that until it shows; never, NaN. */
  readonly shows?: RegExp;
}

/** A home of root's, with `~/.ssh/config`, names of hosts, and `postern` on the PATH. Seen by what {@link run} runs only. */
export class SshHome implements Disposable {
  readonly directory: string;
  /** `~/.ssh/config`. */
  readonly config: string;
  /** XDG_CONFIG_HOME, as `postern` finds it from the home. */
  readonly xdg: string;
  readonly #namespace: Namespace;

  /** @param names - lines for /etc/hosts */
  constructor(namespace: Namespace, names: readonly string[]) {
    this.#namespace = namespace;
    this.directory = temporaryDirectory('postern-ssh-home-');
    this.config = join(this.directory, '.ssh/config');
    this.xdg = join(this.directory, '.config');
    mkdirSync(join(this.directory, '.ssh'), { mode: 0o700 });
    // The space in its path is there for the shells to stumble over.
    const programs = join(this.directory, 'my programs');
    mkdirSync(programs);
    for (const name of ['postern', 'posternd'] as const) {
      const words = PROGRAMS[name].map((word) => `'${word}'`).join(' ');
      writeFileSync(join(programs, name), `#!/bin/sh\nexec ${words} "$@"\n`);
      chmodSync(join(programs, name), 0o755);
    }
    const passwd = readFileSync('/etc/passwd', 'utf8').replace(
      /^(root:[^:]*:0:0:[^:]*):[^:]*:/m,
      `$1:${this.directory}:`,
    );
    writeFileSync(join(this.directory, 'passwd'), passwd);
    writeFileSync(join(this.directory, 'hosts'), ['127.0.0.1 localhost', ...names, ''].join('\n'));
    writeFileSync(join(this.directory, 'nsswitch'), 'passwd: files\nhosts: files\n');
  }

  /** Runs a line of a shell in the home to its end; the line must not leave anything running. */
  run(line: string, options: Typing = {}): Promise<Timed> {
    const { input = '', shows } = options;
    const at = (name: string): string => `'${join(this.directory, name)}'`;
    const binds = `mount --bind ${at('passwd')} /etc/passwd && mount --bind ${at('hosts')} /etc/hosts && mount --bind ${at('nsswitch')} /etc/nsswitch.conf`;
    const begun = performance.now();
    const child = spawn(
      'ip',
      ['netns', 'exec', this.#namespace.name, 'unshare', '--mount', '--propagation', 'private'].concat([
        'sh',
        '-c',
        `${binds} && cd "$HOME" && exec "$SHELL" -c "$0"`,
        line,
      ]),
      { env: this.#environment(options.environment), stdio: ['pipe', 'pipe', 'pipe'], timeout: 60_000 },
    );
    let [out, err, shown] = ['', '', NaN];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      if (shows === undefined || !Number.isNaN(shown) || !shows.test(out)) return;
      shown = performance.now() - begun;
      child.stdin.end(input);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    child.stdin.on('error', () => undefined);
    if (shows === undefined) child.stdin.end(input);
    return new Promise((resolve) => {
      child.once('close', (code) => {
        resolve({ code: code ?? -1, out, err, milliseconds: shows === undefined ? performance.now() - begun : shown });
      });
    });
  }

  #environment(more: Readonly<Record<string, string>> | undefined): NodeJS.ProcessEnv {
    const path = `${join(this.directory, 'my programs')}:${process.env['PATH'] ?? ''}`;
    const { XDG_CONFIG_HOME: _, SSH_AUTH_SOCK: __, ...rest } = process.env;
    return { ...rest, HOME: this.directory, SHELL: '/bin/bash', PATH: path, GIT_CONFIG_NOSYSTEM: '1', ...more };
  }

  [Symbol.dispose](): void {
    removeTemporary(this.directory);
  }
}
