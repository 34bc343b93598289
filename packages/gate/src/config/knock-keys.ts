/**
 * knock.keys, beside gate.key: one key for each device that joined, for keyed knocking. Not in users.d, which holds no secrets, and not in the state
 * database, whose loss must not cost them. The file's time of change carries the slot of the last knock that opened: see `monitor/slot-guard.ts`.
 */
import { existsSync, statSync, utimesSync } from 'node:fs';
import { fromHex, KEYED, MICROS_PER_SECOND, toHex, type DeviceId } from '@postern/protocol';
import * as v from 'valibot';
import { writeAtomically } from './atomic-write.ts';
import { readSecretly } from './gate-key.ts';
import { Secret } from './secret.ts';
import { parseToml } from './toml-file.ts';
import { validate } from './validate.ts';

const EXPECTED = '64 lower-case hexadecimal digits are expected';
const DEVICE = '32 lower-case hexadecimal digits are expected';
const schema = v.record(
  v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/, DEVICE)),
  v.array(v.pipe(v.string(EXPECTED), v.regex(/^[0-9a-f]{64}$/, EXPECTED)), 'a list of keys is expected'),
);

const HEAD = `# Keys of devices for keyed knocking, written by posternd. Secret: who has one can knock in that device's place. Do not set the time of
# this file back: it keeps recorded knocks from opening again after the state was lost.
`;

const SLOT_SECONDS = KEYED.slot / MICROS_PER_SECOND;

/**
 * Knock keys by device, 32 bytes each. A device that asked more than once to join has one of each request, for it kept that of the one whose
 * receipt came through; its first knock tells which.
 */
export type KnockKeys = ReadonlyMap<DeviceId, readonly Uint8Array[]>;

/**
 * Reads the file; none is as good as an empty one.
 *
 * @throws PersonError when anyone but root (or this user) could read it, or when it is damaged; no part of a key is ever in an error
 */
export function readKnockKeys(file: string): KnockKeys {
  if (!existsSync(file)) return new Map();
  const from = parseToml(file, readSecretly(file), true);
  const raw = validate(schema, from, () => [], true);
  return new Map(Object.entries(raw).map(([id, all]) => [id as DeviceId, all.map((key) => new Secret(fromHex(key)))]));
}

/** Writes the file with mode 0600, durably and whole. Its slot stays: only knocks that open move it. @throws PersonError when it cannot be written */
export function writeKnockKeys(file: string, keys: KnockKeys): void {
  const before = lastSlotOf(file);
  const lines = [...keys].map(([id, all]) => `${id} = [${all.map((key) => `"${toHex(key)}"`).join(', ')}]\n`);
  writeAtomically(file, HEAD + lines.join(''), { mode: 0o600 });
  setLastSlot(file, before);
}

/** The slot of the last knock that opened; 0 without a file. */
export function lastSlotOf(file: string): number {
  const status = statSync(file, { throwIfNoEntry: false });
  return status === undefined ? 0 : Math.max(0, Math.floor(status.mtimeMs / 1000 / SLOT_SECONDS));
}

/** Notes the slot of a knock that opens, if it is a later one. Nobody waits for the disk. */
export function setLastSlot(file: string, slot: number): void {
  const seconds = (slot + 0.5) * SLOT_SECONDS;
  utimesSync(file, seconds, seconds);
}
