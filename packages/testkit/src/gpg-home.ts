/** A throw-away GnuPG home with one RSA key without passphrase, as fwknop needs them. */
import { once } from 'node:events';
import type { Namespace } from './namespace.ts';
import { removeTemporary, temporaryDirectory } from './temporary.ts';

const KEY = `%no-protection
Key-Type: RSA
Key-Length: 2048
Key-Usage: sign
Subkey-Type: RSA
Subkey-Length: 2048
Subkey-Usage: encrypt
Expire-Date: 0
`;

/** One home. The agent that gpg starts by itself lives in the namespace, and ends with it at the latest. */
export class GpgHome implements Disposable {
  readonly directory: string;
  readonly #namespace: Namespace;
  /** 40 hexadecimal digits; empty until the key is made. */
  #fingerprint = '';

  private constructor(namespace: Namespace) {
    this.#namespace = namespace;
    this.directory = temporaryDirectory('postern-gpg-');
  }

  /** Makes a key of 2,048 bits for signing and one for encryption. */
  static async create(namespace: Namespace, name: string): Promise<GpgHome> {
    const self = new GpgHome(namespace);
    const args = ['--homedir', self.directory, '--batch', '--status-fd', '1', '--generate-key'];
    const gpg = namespace.spawn('gpg', args, { stdio: ['pipe', 'pipe', 'ignore'] });
    let said = '';
    gpg.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    gpg.stdin?.end(`${KEY}Name-Real: ${name}\n%commit\n`);
    await once(gpg, 'close');
    self.#fingerprint = /KEY_CREATED \w ([0-9A-F]{40})/.exec(said)?.[1] ?? '';
    if (self.#fingerprint !== '') return self;
    self[Symbol.dispose]();
    throw new Error(`gpg made no key: ${said}`);
  }

  get fingerprint(): string {
    return this.#fingerprint;
  }

  /** Takes the public key of another home and signs it: a signature by a key of unknown validity is a bad one to fwknopd. */
  learn(other: GpgHome): void {
    this.#gpg(['--import'], other.#gpg(['--armor', '--export', other.fingerprint]));
    this.#gpg(['--yes', '--quick-lsign-key', other.fingerprint]);
  }

  #gpg(args: readonly string[], input?: string): string {
    return this.#namespace.run('gpg', ['--homedir', this.directory, '--batch', '--quiet', ...args], input);
  }

  [Symbol.dispose](): void {
    for (const what of [['--kill', 'gpg-agent'], ['--remove-socketdir']])
      this.#namespace.run('gpgconf', ['--homedir', this.directory, ...what]);
    removeTemporary(this.directory);
  }
}
