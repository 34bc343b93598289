/** A throw-away GnuPG home with one key without passphrase: RSA, as fwknop needs them, or ECC, which only ours can do. */
import { once } from 'node:events';
import type { Namespace } from './namespace.ts';
import { removeTemporary, temporaryDirectory } from './temporary.ts';

const KINDS = {
  rsa: 'Key-Type: RSA\nKey-Length: 2048\nKey-Usage: sign\nSubkey-Type: RSA\nSubkey-Length: 2048\nSubkey-Usage: encrypt',
  ecc: 'Key-Type: EDDSA\nKey-Curve: ed25519\nKey-Usage: sign\nSubkey-Type: ECDH\nSubkey-Curve: cv25519\nSubkey-Usage: encrypt',
} as const;

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

  /** Makes a key for signing and one for encryption. */
  static async create(namespace: Namespace, name: string, kind: keyof typeof KINDS = 'rsa'): Promise<GpgHome> {
    const self = new GpgHome(namespace);
    const args = ['--homedir', self.directory, '--batch', '--status-fd', '1', '--generate-key'];
    const gpg = namespace.spawn('gpg', args, { stdio: ['pipe', 'pipe', 'ignore'] });
    let said = '';
    gpg.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    gpg.stdin?.end(`%no-protection\n${KINDS[kind]}\nExpire-Date: 0\nName-Real: ${name}\n%commit\n`);
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
