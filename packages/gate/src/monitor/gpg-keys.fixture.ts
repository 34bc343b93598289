/** Keyrings that are made with the real gpg, for tests: a gate's, and one of somebody who sends it messages. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const GPG = '/usr/bin/gpg';
export const PASSPHRASE = 'correct horse';

/** A directory with a keyring. */
export class Keys implements Disposable {
  readonly home: string;

  constructor(parent: string, name: string) {
    this.home = join(parent, name);
    mkdirSync(this.home, { mode: 0o700 });
  }

  run(args: readonly string[], input?: Uint8Array | string): Buffer {
    const always = ['--homedir', this.home, '--batch', '--quiet', '--no-tty', '--trust-model', 'always'];
    const options = { input, stdio: ['pipe', 'pipe', 'ignore'] as ['pipe', 'pipe', 'ignore'] };
    return execFileSync(GPG, [...always, '--pinentry-mode', 'loopback', ...args], options);
  }

  /** Makes a key with subkeys that encrypt and sign, and gives the fingerprints of the primary key and of the one that signs. */
  make(
    name: string,
    algorithms: readonly [primary: string, encrypts: string],
    passphrase = '',
  ): readonly [string, string] {
    const secret = ['--passphrase', passphrase];
    this.run([...secret, '--quick-gen-key', `${name} <${name}@example.test>`, algorithms[0], 'cert', 'never']);
    const [primary = ''] = this.fingerprints(name);
    this.run([...secret, '--quick-add-key', primary, algorithms[1], 'encr', 'never']);
    this.run([...secret, '--quick-add-key', primary, algorithms[0], 'sign', 'never']);
    return [primary, this.fingerprints(name)[2] ?? ''];
  }

  fingerprints(name: string): string[] {
    const listed = this.run(['--with-colons', '--list-keys', name]).toString();
    return [...listed.matchAll(/^fpr:+([0-9A-F]{40}):/gm)].map((found) => found[1] ?? '');
  }

  /** Takes the public key of somebody over. */
  meet(other: Keys, name: string): void {
    this.run(['--import'], other.run(['--export', name]));
  }

  /** A message to `to`; signed by `by`, if that is given. */
  seal(to: string, text: string, by?: string, options: readonly string[] = []): Buffer {
    const sign = by === undefined ? [] : ['--sign', '--local-user', by];
    return this.run([...options, ...sign, '--encrypt', '--recipient', to], text);
  }

  [Symbol.dispose](): void {
    spawnSync('gpgconf', ['--homedir', this.home, '--kill', 'all'], { stdio: 'ignore' });
  }
}

/** Process ids of all whose command line has `text` in it. */
export function processesWith(text: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(text);
      } catch {
        return false;
      }
    })
    .map(Number);
}
