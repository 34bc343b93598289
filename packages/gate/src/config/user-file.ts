/** Changes to the files of users.d. Each is one small edit, written durably and whole; what people wrote stays as they wrote it. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { deviceIdOf, type DeviceId, type UnixMicros } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';
import { TomlDate } from 'smol-toml';
import { writeAtomically } from './atomic-write.ts';
import { decodeKey, encodeKey, isUserName, USER_NAME_FORM } from './schema.ts';
import { placeOf, scanToml } from './positions.ts';
import { insertLines, insertLinesAfter, writeEdit } from './toml-edit.ts';
import { fileError, readToml, type TomlFile } from './toml-file.ts';

/** A device to be added. */
export interface NewDevice {
  readonly id: DeviceId;
  /** 1 to 64 letters, digits, dots, underscores or hyphens. */
  readonly name: string;
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly enrolled: UnixMicros;
}

/** A time as TOML writes it; microseconds below a millisecond are dropped. */
function toml(time: UnixMicros): string {
  return new Date(time / 1000).toISOString();
}

/**
 * Makes users.d/NAME.toml with mode 0600, and users.d where it is missing, and returns the file's path. Refuses a user that exists.
 *
 * @throws PersonError for a name that cannot be a user's, a user that exists, or a file that cannot be written
 */
export function addUser(
  configuration: { readonly usersDirectory: string },
  user: { readonly name: string; readonly services: readonly string[] },
): string {
  if (!isUserName(user.name)) {
    throw new PersonError(`${JSON.stringify(user.name)} cannot be a user's name`, {
      hint: USER_NAME_FORM,
      exitCode: EXIT.usage,
    });
  }
  const file = join(configuration.usersDirectory, `${user.name}.toml`);
  try {
    mkdirSync(configuration.usersDirectory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fileError(configuration.usersDirectory, error);
  }
  const services = user.services.map((service) => JSON.stringify(service)).join(', ');
  writeAtomically(file, `services = [${services}]\n`, { mode: 0o600, fresh: true });
  return file;
}

/**
 * Adds a device at the end of a user's file.
 *
 * @throws PersonError when the file cannot be read or written, or is written in a way that is better left alone
 */
export function addDevice(file: string, device: NewDevice): void {
  const from = readToml(file);
  const { id, name } = device;
  const ed25519 = encodeKey(device.publicKey);
  const enrolled = toml(device.enrolled);
  const lines = [
    '[[devices]]',
    `id = "${id}"`,
    `name = ${JSON.stringify(name)}`,
    `ed25519 = "${ed25519}"`,
    `enrolled = ${enrolled}`,
  ];
  const blank = from.text === '' || /\n\r?\n$/.test(from.text) ? [] : [''];
  writeEdit(from, {
    text: insertLinesAfter(from.text.replace(/\r?\n$/, ''), from.text.length, [...blank, ...lines]),
    change: (data) => {
      // The parser's tables have no prototype, and the comparison heeds that.
      const added = Object.assign(Object.create(null) as object, {
        id,
        name,
        ed25519,
        enrolled: new TomlDate(enrolled),
      });
      data['devices'] = [...devicesOf(data), added];
    },
    byHand: { lines: lines.join(' · '), where: 'each part on a line of its own at the end' },
  });
}

function devicesOf(data: Readonly<Record<string, unknown>>): Record<string, unknown>[] {
  return Array.isArray(data['devices']) ? (data['devices'] as Record<string, unknown>[]) : [];
}

function indexOf(from: TomlFile, id: DeviceId): number {
  return devicesOf(from.data).findIndex(({ ed25519 }) => {
    const key = typeof ed25519 === 'string' ? decodeKey(ed25519) : undefined;
    return key !== undefined && deviceIdOf(key) === id;
  });
}

/**
 * Writes `revoked` to a device of a user's file; does nothing where it is revoked already.
 *
 * @throws PersonError when the file has no such device, cannot be read or written, or is written in a way that is better left alone
 */
export function revokeDevice(file: string, id: DeviceId, now: UnixMicros): void {
  const from = readToml(file);
  const index = indexOf(from, id);
  if (index === -1) throw new PersonError(`${file}: there is no device ${id} any more`);
  if (devicesOf(from.data)[index]?.['revoked'] !== undefined) return;
  const revoked = toml(now);
  const key = placeOf(scanToml(from.text), ['devices', index, 'ed25519']);
  writeEdit(from, {
    text: key === undefined ? undefined : insertLinesAfter(from.text, key.valueEnd, [`revoked = ${revoked}`]),
    change: (data) => {
      const device = devicesOf(data)[index];
      if (device !== undefined) device['revoked'] = new TomlDate(revoked);
    },
    byHand: { lines: `revoked = ${revoked}`, where: `to the device ${id}` },
  });
}

/**
 * Writes `revoked` to a user's file: none of the user's devices may do anything from then on. Does nothing where it says so already.
 *
 * @throws PersonError when the file cannot be read or written, or is written in a way that is better left alone
 */
export function revokeUser(file: string, now: UnixMicros): void {
  const from = readToml(file);
  if (from.data['revoked'] !== undefined) return;
  const revoked = toml(now);
  const line = `revoked = ${revoked}`;
  const [first] = scanToml(from.text);
  writeEdit(from, {
    text:
      first === undefined
        ? insertLinesAfter(from.text, from.text.length, [line])
        : insertLines(from.text, first.at, [line]),
    change: (data) => {
      data['revoked'] = new TomlDate(revoked);
    },
    byHand: { lines: line, where: 'in front of everything else' },
  });
}
