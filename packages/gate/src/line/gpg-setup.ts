/**
 * What the monitor tells the gate's GPG helper: one JSON object on one line of its standard input, which then stays open for as long as the helper
 * shall live. The helper trusts it.
 */

/** A file of a keyring. */
export interface GpgFile {
  /** Below the keyring's directory. */
  readonly path: string;
  /** Base64. */
  readonly data: string;
}

/** How packets of one credential are decrypted. */
export interface GpgSetupCredential {
  /** u16: its number on the line. */
  readonly credential: number;
  /** Index of its keyring in {@link GpgSetup.homes}. */
  readonly home: number;
  /** Path of the program. */
  readonly program: string;
  /** Base64; undefined: the key has none. */
  readonly passphrase: string | undefined;
}

/** The whole line. */
export interface GpgSetup {
  readonly homes: readonly (readonly GpgFile[])[];
  readonly credentials: readonly GpgSetupCredential[];
}
