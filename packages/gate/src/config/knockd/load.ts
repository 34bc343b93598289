/** A knockd.conf as it is found on a host. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, PersonError } from '@postern/terminal';
import { readDoors } from '../doors.ts';
import type { Configuration, Door } from '../model.ts';
import { fileError, parseToml } from '../toml-file.ts';
import type { DoorTable } from '../door-schema.ts';
import { convertKnockd, type Import } from './convert.ts';
import { parseKnockdFile } from './file.ts';
import { formatImport } from './format.ts';

/** Where knockd reads its configuration when nothing else is said. */
export const KNOCKD_CONF = '/etc/knockd.conf';

/** Where a shell that a service started looks for programs. */
const PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** Reads and converts a knockd.conf. @throws PersonError `FILE:LINE: …` */
export function importKnockd(file: string): Import {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw fileError(file, error, 'the configuration file of knockd is expected');
  }
  return convertKnockd(parseKnockdFile(file, text), (name) =>
    PATH.map((directory) => join(directory, name)).find((path) => existsSync(path)),
  );
}

/**
 * The doors of a knockd.conf, to be run beside those of the configuration.
 *
 * @param leaveOut - told of a door that cannot be run as it is, with the command that shows how it can; without it that is thrown
 * @throws PersonError for a file that knockd would not take
 */
export function knockdDoors(
  file: string,
  { services, port, doors }: Pick<Configuration, 'services' | 'port' | 'doors'>,
  leaveOut: (error: PersonError) => void = fail,
): readonly Door[] {
  const all = importKnockd(file);
  const usable = all.doors.filter(({ notes, table, name, from }) => {
    const refused = notes.find(({ fate }) => fate === 'refused');
    if (table === undefined || refused !== undefined) {
      leaveOut(
        new PersonError(`${file}:${refused?.line ?? 1}: door ${from}: ${refused?.text ?? 'it cannot be run'}`, {
          hint: `\`posternd import knockd ${file}\` shows the form that can be run`,
          exitCode: EXIT.configuration,
        }),
      );
      return false;
    }
    if (doors.some((door) => door.name === name)) {
      throw new PersonError(`${file}: there is a door ${name} in posternd.toml, too`, {
        hint: 'remove it from one of the two',
        exitCode: EXIT.configuration,
      });
    }
    return true;
  });
  const toml = parseToml(`${file} (as doors)`, formatImport({ ...all, doors: usable }, file, false));
  return readDoors(toml, (toml.data['doors'] ?? {}) as Readonly<Record<string, DoorTable>>, services, port);
}

function fail(error: PersonError): never {
  throw error;
}
