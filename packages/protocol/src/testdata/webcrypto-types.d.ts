/**
 * For tests only: the names of DOM types that the declarations of the @hpke packages use. Node has them under `webcrypto`; TypeScript's
 * DOM library instead would give every file here a window.
 */
import type { webcrypto } from 'node:crypto';

declare global {
  type Crypto = webcrypto.Crypto;
  type CryptoKey = webcrypto.CryptoKey;
  type CryptoKeyPair = webcrypto.CryptoKeyPair;
  type HmacKeyGenParams = webcrypto.HmacKeyGenParams;
  type JsonWebKey = webcrypto.JsonWebKey;
  type KeyAlgorithm = webcrypto.KeyAlgorithm;
  type KeyUsage = webcrypto.KeyUsage;
  type SubtleCrypto = webcrypto.SubtleCrypto;
}
