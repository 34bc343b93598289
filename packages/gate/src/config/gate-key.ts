import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { fromHex, toHex, type Random, type UnixMicros } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';
import * as v from 'valibot';
import { writeAtomically } from './atomic-write.ts';
import { Secret } from './secret.ts';
import { errorAt, errorCode, fileError, parseToml } from './toml-file.ts';
import { validate } from './validate.ts';

/** The gate keys that live now. A gate key says "not a stranger", never who. */
export interface GateKeys {
  /** 32 bytes. */
  readonly current: Uint8Array;
  /** 32 bytes; takes the place of `current` when every live device uses it. */
  readonly next: Uint8Array | undefined;
  /** Since when `next` lives. */
  readonly since: UnixMicros | undefined;
  /** Something was revoked while `next` lived: another change follows this one. */
  readonly again: boolean;
}

/** Everything secret that a gate has, as gate.key keeps it. */
export interface GateSecrets {
  /** X25519 private key (RFC 7748), 32 bytes. */
  readonly x25519: Secret;
  /** X-Wing seed (draft-connolly-cfrg-xwing-kem), 32 bytes. */
  readonly xwing: Secret;
  readonly keys: GateKeys;
}

const HEX = /^[0-9a-f]{64}$/;
const EXPECTED = '64 lower-case hexadecimal digits are expected';
const MICROS = 'microseconds since 1970 are expected';
const key = v.pipe(v.string(EXPECTED), v.regex(HEX, EXPECTED));
const schema = v.strictObject({
  x25519: key,
  xwing: key,
  gate_key: key,
  next_gate_key: v.optional(key),
  next_since: v.optional(v.pipe(v.number(MICROS), v.safeInteger(MICROS), v.minValue(0, MICROS))),
  rotate_again: v.optional(v.boolean('true or false is expected')),
});

/** New secrets of a gate: three times 32 bytes from `random`. */
export function makeGateSecrets(random: Random): GateSecrets {
  const draw = (): Secret => new Secret(random(32));
  return { x25519: draw(), xwing: draw(), keys: { current: draw(), next: undefined, since: undefined, again: false } };
}

function secret(hex: string): Secret {
  return new Secret(fromHex(hex));
}

/**
 * Reads a file of secrets through one descriptor, so that what was checked is what is read.
 *
 * @param missing - what to do where there is none
 * @throws PersonError when others may read it
 */
export function readSecretly(
  file: string,
  missing = '`posternd init` makes it; a lost one means new invites for every device',
): string {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    throw fileError(file, error, errorCode(error) === 'ENOENT' ? missing : undefined);
  }
  try {
    const { mode, uid } = fstatSync(fd);
    const own = process.geteuid?.() ?? 0;
    if (uid !== 0 && uid !== own) {
      throw new PersonError(
        `${file}: the secret keys belong to the user with id ${uid}, who can read and replace them`,
        {
          hint: `chown root: ${file}`,
          exitCode: EXIT.configuration,
        },
      );
    }
    if ((mode & 0o077) !== 0) {
      const who = (mode & 0o007) !== 0 ? 'everybody' : 'its group';
      throw new PersonError(
        `${file}: the secret keys are open to ${who} (mode ${(mode & 0o777).toString(8).padStart(4, '0')})`,
        {
          hint: `chmod 600 ${file}`,
          exitCode: EXIT.configuration,
        },
      );
    }
    return readFileSync(fd, 'utf8');
  } catch (error) {
    if (error instanceof PersonError) throw error;
    throw fileError(file, error);
  } finally {
    closeSync(fd);
  }
}

/**
 * Reads gate.key.
 *
 * @throws PersonError when it is missing, when anyone but root (or this user) could read it, or when it is damaged; no part of a key
 * is ever in an error
 */
export function readGateKey(file: string): GateSecrets {
  const from = parseToml(file, readSecretly(file), true);
  const raw = validate(schema, from, () => Object.keys(schema.entries), true);
  if ((raw.next_gate_key === undefined) !== (raw.next_since === undefined)) {
    throw errorAt(from, ['next_gate_key'], '`next_gate_key` and `next_since` belong together');
  }
  return {
    x25519: secret(raw.x25519),
    xwing: secret(raw.xwing),
    keys: {
      current: secret(raw.gate_key),
      next: raw.next_gate_key === undefined ? undefined : secret(raw.next_gate_key),
      since: raw.next_since as UnixMicros | undefined,
      again: raw.rotate_again ?? false,
    },
  };
}

/** The text of gate.key. */
function formatGateKey({ x25519, xwing, keys }: GateSecrets): string {
  const lines = [
    '# The secret keys of this gate, written by posternd. Whoever has them can read recorded knocks and pose as this gate to its',
    '# devices, but opens nothing: that takes a key of a device. Keep a backup where the backups of ssh host keys are.',
    `x25519 = "${toHex(x25519)}"`,
    `xwing = "${toHex(xwing)}"`,
    `gate_key = "${toHex(keys.current)}"`,
  ];
  if (keys.next !== undefined) lines.push(`next_gate_key = "${toHex(keys.next)}"`);
  if (keys.since !== undefined) lines.push(`next_since = ${keys.since}`);
  if (keys.again) lines.push('rotate_again = true');
  return `${lines.join('\n')}\n`;
}

/**
 * Writes gate.key with mode 0600, durably and whole: a crash at any instant leaves the old keys or the new.
 *
 * @param fresh - refuse to replace a file that is there
 * @throws PersonError when it cannot be written; the old keys are untouched then
 */
export function writeGateKey(file: string, secrets: GateSecrets, fresh = false): void {
  writeAtomically(file, formatGateKey(secrets), { mode: 0o600, fresh });
}
