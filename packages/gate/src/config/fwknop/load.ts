/** The configuration of fwknop as it is found on a host. */
import { readdirSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { EXIT, PersonError } from '@postern/terminal';
import { readSecretly } from '../gate-key.ts';
import type { Configuration } from '../model.ts';
import { DEFAULT_PORT, gateFileKeys, gateFileSchema } from '../schema.ts';
import { fileError, parseToml, readText } from '../toml-file.ts';
import { validate } from '../validate.ts';
import { parseAccess, type AccessReader } from './access-file.ts';
import { convertFwknop, type FwknopImport, type ImportedSource } from './convert.ts';
import { formatFwknop, keysOf } from './format.ts';
import { parseFwknopdFile, settingOf, type FwknopdFile } from './fwknopd-file.ts';
import { parseHearing } from './hearing.ts';
import { formatFwknopKeys, parseFwknopKeys } from './keys-file.ts';
import type { Fwknop } from './model.ts';
import { readFwknop } from './read.ts';

/** Where fwknopd reads its configuration when nothing else is said. */
export const FWKNOP_DIRECTORY = '/etc/fwknop';

const reader: AccessReader = {
  read: (file) => {
    const text = readSecretly(file, 'an access.conf of fwknop is expected, with the files that it includes');
    // A key in another encoding would be another key.
    if (text.includes('\ufffd')) throw new PersonError(`${file}: is not UTF-8 text`, { exitCode: EXIT.configuration });
    return text;
  },
  list: (directory) => {
    try {
      return readdirSync(directory)
        .filter((name) => name.endsWith('.conf'))
        .sort()
        .map((name) => join(directory, name));
    } catch (error) {
      throw fileError(directory, error);
    }
  },
};

/**
 * Reads fwknopd.conf in `directory` and the access.conf, or the folder of them, that it names; converts both.
 *
 * @throws PersonError `FILE:LINE: …`, also when others may read keys
 */
export function importFwknop(directory: string, now: Date = new Date()): FwknopImport {
  const file = join(directory, 'fwknopd.conf');
  const daemon = parseFwknopdFile(file, readText(file, 'the directory with fwknopd.conf and access.conf is expected'));
  return convertFwknop(daemon, parseAccess(accessFiles(daemon, directory), reader), now);
}

/** The UDP port at which fwknopd hears its packets, for the gate's own: the usual one where it is none, or one of many. */
export function knockPortOf({ settings }: FwknopImport): number {
  for (const text of settings.hear ?? []) {
    const place = parseHearing(text);
    if (place?.protocol === 'udp') return place.first === place.last ? place.first : DEFAULT_PORT;
  }
  return DEFAULT_PORT;
}

/**
 * When fwknopd recorded its last packet, unix seconds; undefined where it recorded none. What it let in then must not open here, too.
 */
export function lastUseByFwknopd(directory: string): number | undefined {
  try {
    const file = join(directory, 'fwknopd.conf');
    const daemon = parseFwknopdFile(file, readText(file));
    const digests =
      settingOf(daemon, 'DIGEST_FILE') ?? join(settingOf(daemon, 'FWKNOP_RUN_DIR') ?? '/run/fwknop', 'digest.cache');
    const status = statSync(digests, { throwIfNoEntry: false });
    return status === undefined || status.size === 0 ? undefined : Math.ceil(status.mtimeMs / 1000);
  } catch (error) {
    // What is wrong with the file is told where it is read for good.
    if (error instanceof PersonError) return undefined;
    throw error;
  }
}

/** A path that fwknopd.conf leaves relative begins where this fwknopd.conf is, also where it is a copy. */
function accessFiles(daemon: FwknopdFile, directory: string): readonly string[] {
  const beside = (path: string): string => (isAbsolute(path) ? path : join(directory, path));
  const folder = settingOf(daemon, 'ACCESS_FOLDER');
  if (folder !== undefined) {
    const files = reader.list(beside(folder));
    if (files.length > 0) return files;
    throw new PersonError(`${beside(folder)}: no file there ends with .conf`, { exitCode: EXIT.configuration });
  }
  return [beside(settingOf(daemon, 'ACCESS_FILE') ?? 'access.conf')];
}

/**
 * What is heard of fwknop according to a directory of its configuration, to be run beside the native configuration.
 *
 * @param leaveOut - told of what cannot be run as it is, with the command that shows how it can; without it that is thrown
 * @throws PersonError for files that fwknopd would not take, and where the native configuration has [fwknop], too
 */
export function fwknopOf(
  directory: string,
  { file, port, fwknop }: Pick<Configuration, 'file' | 'port' | 'fwknop'>,
  leaveOut: (error: PersonError) => void = fail,
): Fwknop {
  if (fwknop !== undefined) {
    throw new PersonError(`${file}: there is [fwknop] in it, and ${directory} is to be run, too`, {
      hint: 'remove one of the two: `posternd import fwknop --write` took the directory over',
      exitCode: EXIT.configuration,
    });
  }
  const all = importFwknop(directory);
  const hint = `\`posternd import fwknop ${directory}\` shows the form that can be run`;
  for (const { fate, file: from, line, text } of all.notes)
    if (fate === 'refused')
      leaveOut(new PersonError(`${from ?? directory}:${line}: ${text}`, { hint, exitCode: EXIT.configuration }));
  for (const source of all.sources) if (source.stanzas.length === 0) leaveOut(refusal(source, hint));
  const made = nativeOf(directory, all, port);
  return all.settings.hear === undefined ? { ...made, hear: [] } : made;
}

/** The model of an import: by way of the native form, so that the two can never mean different things. */
export function nativeOf(directory: string, all: FwknopImport, port: number): Fwknop {
  const toml = parseToml(`${directory} (as native configuration)`, formatFwknop(all, directory, []));
  const keys = parseFwknopKeys(`${directory} (as native keys)`, formatFwknopKeys(keysOf(all.sources)));
  return readFwknop(toml, validate(gateFileSchema, toml, gateFileKeys).fwknop ?? {}, keys, port);
}

function refusal({ name, notes, file, line }: ImportedSource, hint: string): PersonError {
  const refused = notes.find(({ fate }) => fate === 'refused');
  const at = `${refused?.file ?? file}:${refused?.line ?? line}`;
  const mend = refused?.mend?.[0];
  return new PersonError(`${at}: ${name}: ${refused?.text ?? 'it cannot be run'}`, {
    hint: mend === undefined ? hint : `${mend}; ${hint}`,
    exitCode: EXIT.configuration,
  });
}

function fail(error: PersonError): never {
  throw error;
}
