/**
 * What each packet takes of OpenSSL, called where Node's executable has it, without the objects that node:crypto makes for every call: a third of
 * the time, and after a rest, when caches have forgotten everything, less than that (decision 0015). Only functions of OpenSSL's public
 * interface (crypto(7), HMAC(3), EVP_PKEY-X25519(7)), which Node re-exports for addons.
 */
import {
  createCipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  randomBytes,
} from 'node:crypto';
import type { Agree, Shortcuts } from '@postern/protocol';
import koffi from 'koffi';

/** NID of X25519 (openssl/obj_mac.h): the type of its keys. */
const EVP_PKEY_X25519 = 1034;
const SIZE = 32;
/** Of a nonce of ChaCha20-Poly1305, and of an iv of ChaCha20. */
const [NONCE, IV] = [12, 16] as const;
/** Of a tag of Poly1305. */
const TAG = 16;
/** EVP_CTRL_AEAD_SET_TAG (openssl/evp.h). */
const SET_TAG = 0x11;
/** Nothing has no address, and OpenSSL wants one. */
const NOTHING = new Uint8Array(1);

/** An address that only OpenSSL looks behind. */
type Pointer = bigint;
type Fetch = (library: null, name: string, properties: null) => Pointer | null;

interface OpenSsl {
  readonly sha256: Pointer;
  readonly newHmac: () => Pointer | null;
  readonly hmacInit: (context: Pointer, key: Uint8Array, keySize: number, md: Pointer, engine: null) => number;
  readonly hmacUpdate: (context: Pointer, data: Uint8Array, size: number) => number;
  readonly hmacFinal: (context: Pointer, into: Uint8Array, written: null) => number;
  readonly digest: (
    data: Uint8Array,
    size: number,
    into: Uint8Array,
    written: null,
    md: Pointer,
    engine: null,
  ) => number;
  readonly newPrivate: (type: number, engine: null, bytes: Uint8Array, size: number) => Pointer | null;
  readonly newPublic: (type: number, engine: null, bytes: Uint8Array, size: number) => Pointer | null;
  readonly free: (key: Pointer) => void;
  readonly newContext: (key: Pointer, engine: null) => Pointer | null;
  readonly init: (context: Pointer) => number;
  readonly setPeer: (context: Pointer, peer: Pointer) => number;
  readonly derive: (context: Pointer, into: Uint8Array, size: Uint8Array) => number;
  readonly chacha20: Pointer;
  readonly aead: Pointer;
  readonly newCipher: () => Pointer | null;
  readonly decryptInit: (context: Pointer, type: Pointer, engine: null, key: Uint8Array, iv: Uint8Array) => number;
  readonly update: (
    context: Pointer,
    into: Uint8Array | null,
    written: Uint8Array,
    data: Uint8Array,
    size: number,
  ) => number;
  readonly control: (context: Pointer, what: number, size: number, bytes: Uint8Array) => number;
  readonly final: (context: Pointer, into: Uint8Array, written: Uint8Array) => number;
  readonly clearErrors: () => void;
}

function load(): OpenSsl {
  const node = koffi.load(null);
  // Fetched once (ossl-guide-libcrypto-introduction(7)): what EVP_sha256() and its like give is looked up anew by every call that takes it.
  const fetched = (kind: 'MD' | 'CIPHER', name: string): Pointer => {
    const fetch = node.func(`void *EVP_${kind}_fetch(void *, str, void *)`) as Fetch;
    const algorithm = fetch(null, name, null);
    if (algorithm === null) throw new Error(`OpenSSL has no ${name}`);
    return algorithm;
  };
  return {
    sha256: fetched('MD', 'SHA2-256'),
    chacha20: fetched('CIPHER', 'ChaCha20'),
    aead: fetched('CIPHER', 'ChaCha20-Poly1305'),
    newCipher: node.func('void *EVP_CIPHER_CTX_new()') as OpenSsl['newCipher'],
    decryptInit: node.func('int EVP_DecryptInit_ex(void *, void *, void *, void *, void *)') as OpenSsl['decryptInit'],
    update: node.func('int EVP_DecryptUpdate(void *, void *, void *, void *, int)') as OpenSsl['update'],
    control: node.func('int EVP_CIPHER_CTX_ctrl(void *, int, int, void *)') as OpenSsl['control'],
    final: node.func('int EVP_DecryptFinal_ex(void *, void *, void *)') as OpenSsl['final'],
    newHmac: node.func('void *HMAC_CTX_new()') as OpenSsl['newHmac'],
    hmacInit: node.func('int HMAC_Init_ex(void *, void *, int, void *, void *)') as OpenSsl['hmacInit'],
    hmacUpdate: node.func('int HMAC_Update(void *, void *, size_t)') as OpenSsl['hmacUpdate'],
    hmacFinal: node.func('int HMAC_Final(void *, void *, void *)') as OpenSsl['hmacFinal'],
    digest: node.func('int EVP_Digest(void *, size_t, void *, void *, void *, void *)') as OpenSsl['digest'],
    newPrivate: node.func('void *EVP_PKEY_new_raw_private_key(int, void *, void *, size_t)') as OpenSsl['newPrivate'],
    newPublic: node.func('void *EVP_PKEY_new_raw_public_key(int, void *, void *, size_t)') as OpenSsl['newPublic'],
    free: node.func('void EVP_PKEY_free(void *)') as OpenSsl['free'],
    newContext: node.func('void *EVP_PKEY_CTX_new(void *, void *)') as OpenSsl['newContext'],
    init: node.func('int EVP_PKEY_derive_init(void *)') as OpenSsl['init'],
    setPeer: node.func('int EVP_PKEY_derive_set_peer(void *, void *)') as OpenSsl['setPeer'],
    derive: node.func('int EVP_PKEY_derive(void *, void *, void *)') as OpenSsl['derive'],
    clearErrors: node.func('void ERR_clear_error()') as OpenSsl['clearErrors'],
  };
}

/** OpenSSL reads so many bytes, whatever there are. */
function mustHave(bytes: Uint8Array, size: number): void {
  if (bytes.length !== size) throw new RangeError(`${String(size)} bytes expected, not ${String(bytes.length)}`);
}

function shortcutsBy(ssl: OpenSsl): Shortcuts {
  const size = new Uint8Array(8);
  const [cipher, mac] = [ssl.newCipher(), ssl.newHmac()];
  if (cipher === null || mac === null) throw new Error('OpenSSL makes no context');
  const addressed = (bytes: Uint8Array): Uint8Array => (bytes.length === 0 ? NOTHING : bytes);
  const open = (key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined => {
    mustHave(key, SIZE);
    mustHave(nonce, NONCE);
    const length = sealed.length - TAG;
    if (length < 0) return undefined;
    const text = new Uint8Array(length);
    const done =
      ssl.decryptInit(cipher, ssl.aead, null, key, nonce) > 0 &&
      (aad.length === 0 || ssl.update(cipher, null, size, aad, aad.length) > 0) &&
      (length === 0 || ssl.update(cipher, text, size, sealed, length) > 0) &&
      ssl.control(cipher, SET_TAG, TAG, sealed.subarray(length)) > 0 &&
      ssl.final(cipher, NOTHING, size) > 0;
    return done ? text : undefined;
  };
  const agreeWith = (context: Pointer, publicKey: Uint8Array): Uint8Array | undefined => {
    mustHave(publicKey, SIZE);
    const peer = ssl.newPublic(EVP_PKEY_X25519, null, publicKey, SIZE);
    if (peer === null) return undefined;
    try {
      const secret = new Uint8Array(SIZE);
      size.fill(0);
      size[0] = SIZE;
      return ssl.setPeer(context, peer) > 0 && ssl.derive(context, secret, size) > 0 ? secret : undefined;
    } finally {
      ssl.free(peer);
    }
  };
  return {
    hmacSha256(key, data) {
      const into = new Uint8Array(SIZE);
      const done =
        ssl.hmacInit(mac, addressed(key), key.length, ssl.sha256, null) > 0 &&
        ssl.hmacUpdate(mac, addressed(data), data.length) > 0 &&
        ssl.hmacFinal(mac, into, null) > 0;
      if (!done) throw new Error('OpenSSL makes no HMAC');
      return into;
    },
    sha256(data) {
      const into = new Uint8Array(SIZE);
      if (ssl.digest(addressed(data), data.length, into, null, ssl.sha256, null) <= 0)
        throw new Error('OpenSSL makes no SHA-256');
      return into;
    },
    chacha20(key, iv, data) {
      mustHave(key, SIZE);
      mustHave(iv, IV);
      const text = new Uint8Array(data.length);
      const done =
        ssl.decryptInit(cipher, ssl.chacha20, null, key, iv) > 0 &&
        (data.length === 0 || ssl.update(cipher, text, size, data, data.length) > 0);
      if (!done) throw new Error('OpenSSL makes no ChaCha20');
      return text;
    },
    aeadOpen(key, nonce, aad, sealed) {
      const text = open(key, nonce, aad, sealed);
      if (text === undefined) ssl.clearErrors();
      return text;
    },
    // Never freed: a private key lives as long as its process.
    x25519(secret): Agree {
      mustHave(secret, SIZE);
      const key = ssl.newPrivate(EVP_PKEY_X25519, null, secret, SIZE);
      const context = key === null ? null : ssl.newContext(key, null);
      // The context has a reference of its own to the key.
      if (key !== null) ssl.free(key);
      if (context === null || ssl.init(context) <= 0) throw new Error('OpenSSL takes no X25519 private key');
      return (publicKey) => {
        const agreed = agreeWith(context, publicKey);
        // What it noted of a key that nobody can agree with is not for whoever uses OpenSSL next.
        if (agreed === undefined) ssl.clearErrors();
        return agreed;
      };
    },
  };
}

/** X25519 by node:crypto. */
function nodeAgrees(secret: Uint8Array, peer: Uint8Array): Uint8Array | undefined {
  const half = (bytes: Uint8Array, format: 'raw-private' | 'raw-public') =>
    ({ key: Buffer.from(bytes), format, asymmetricKeyType: 'x25519' }) as unknown;
  const privateKey = createPrivateKey(half(secret, 'raw-private') as Parameters<typeof createPrivateKey>[0]);
  const publicKey = createPublicKey(half(peer, 'raw-public') as Parameters<typeof createPublicKey>[0]);
  try {
    return diffieHellman({ privateKey, publicKey });
  } catch {
    return undefined;
  }
}

/** Whether they do what node:crypto does. */
function right({ hmacSha256, sha256, chacha20, aeadOpen, x25519 }: Shortcuts): boolean {
  const same = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
    a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0;
  const lengths = [0, 1, SIZE, 64, 65, 400];
  return lengths.every((length, index) => {
    const [key, data, secret] = [randomBytes(length), randomBytes(lengths.at(-index) ?? 0), randomBytes(SIZE)];
    const agree = x25519(secret);
    const [wide, iv, aad] = [randomBytes(SIZE), randomBytes(16), randomBytes(length)];
    const nonce = iv.subarray(4);
    const cipher = createCipheriv('chacha20-poly1305', wide, nonce, { authTagLength: TAG });
    cipher.setAAD(aad, { plaintextLength: data.length });
    const sealed = Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()]);
    const other = Buffer.from(sealed);
    other[other.length - 1] = (other.at(-1) ?? 0) ^ 1;
    return (
      same(chacha20(wide, iv, data), createCipheriv('chacha20', wide, iv).update(data)) &&
      same(aeadOpen(wide, nonce, aad, sealed), data) &&
      aeadOpen(wide, nonce, aad, other) === undefined &&
      same(hmacSha256(key, data), createHmac('sha256', key).update(data).digest()) &&
      same(sha256(data), createHash('sha256').update(data).digest()) &&
      [randomBytes(SIZE), new Uint8Array(SIZE)].every((peer) => same(agree(peer), nodeAgrees(secret, peer)))
    );
  });
}

/** The shortcuts; undefined where this Node does not have them, or they are not what they should be: then node:crypto does it. */
export function openSslShortcuts(): Shortcuts | undefined {
  try {
    const shortcuts = shortcutsBy(load());
    return right(shortcuts) ? shortcuts : undefined;
  } catch {
    return undefined;
  }
}
