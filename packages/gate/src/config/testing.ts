/** What the tests of config/ and admin/ share: a configuration in a directory that goes away again. */
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempDisposableSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A directory with files. Disposing it removes them. */
export interface Place extends Disposable {
  readonly directory: string;
  path(name: string): string;
  write(name: string, text: string | Uint8Array, mode?: number): string;
  read(name: string): string;
}

/** Makes a directory with `files` by name. */
export function makePlace(files: Readonly<Record<string, string>> = {}): Place {
  const temporary = mkdtempDisposableSync(join(tmpdir(), 'postern-test-'));
  const path = (name: string): string => join(temporary.path, name);
  const place: Place = {
    directory: temporary.path,
    path,
    write(name, text, mode = 0o600) {
      mkdirSync(dirname(path(name)), { recursive: true, mode: 0o700 });
      writeFileSync(path(name), text);
      chmodSync(path(name), mode);
      return path(name);
    },
    read: (name) => readFileSync(path(name), 'utf8'),
    [Symbol.dispose]: () => {
      temporary.remove();
    },
  };
  for (const [name, text] of Object.entries(files)) place.write(name, text);
  return place;
}

/** A new raw Ed25519 public key, 32 bytes. */
export function makePublicKey(): Uint8Array {
  const { x = '' } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
  return new Uint8Array(Buffer.from(x, 'base64url'));
}
