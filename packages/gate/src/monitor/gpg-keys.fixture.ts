/** Keyrings that are made with the real gpg, for tests: a gate's, and one of somebody who sends it messages. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const GPG = '/usr/bin/gpg';
export const PASSPHRASE = 'correct horse';

/** Messages of fwknop's own client, and the keys that they are encrypted to and signed by: see `vectors/fwknop.json`. */
export const FWKNOP: FwknopMessages = (
  JSON.parse(readFileSync(new URL('../../../../vectors/fwknop.json', import.meta.url), 'utf8')) as {
    gpg: FwknopMessages;
  }
).gpg;

interface FwknopMessages {
  readonly vectors: readonly {
    readonly name: string;
    readonly algorithm: string;
    readonly hmac: { readonly digest: 'sha256'; readonly key: string } | null;
    readonly packet: string;
    readonly plaintext: string;
  }[];
  readonly keys: Readonly<Record<string, string>>;
}

/** A directory with a keyring. */
export class Keys implements Disposable {
  readonly home: string;

  constructor(parent: string, name: string) {
    this.home = join(parent, name);
    mkdirSync(this.home, { mode: 0o700 });
    // What the agent takes by itself makes a key with a passphrase a matter of seconds.
    writeFileSync(join(this.home, 'gpg-agent.conf'), 's2k-count 65536\n');
  }

  run(args: readonly string[], input?: Uint8Array | string): Buffer {
    const always = ['--homedir', this.home, '--batch', '--quiet', '--no-tty', '--trust-model', 'always'];
    const options = { input, stdio: ['pipe', 'pipe', 'ignore'] as ['pipe', 'pipe', 'ignore'] };
    return execFileSync(GPG, [...always, '--pinentry-mode', 'loopback', ...args], options);
  }

  /** Makes a key of elliptic curves with subkeys, and gives the fingerprints of the primary key and of the one that signs. */
  make(name: string, passphrase = ''): readonly [primary: string, signer: string] {
    const secret = ['--passphrase', passphrase];
    this.run([...secret, '--quick-gen-key', `${name} <${name}@example.test>`, 'ed25519', 'cert', 'never']);
    const [primary = ''] = this.fingerprints(name);
    this.run([...secret, '--quick-add-key', primary, 'cv25519', 'encr', 'never']);
    this.run([...secret, '--quick-add-key', primary, 'ed25519', 'sign', 'never']);
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
