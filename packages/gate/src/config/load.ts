import { readdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import {
  deviceIdOf,
  parsePrefix,
  type DeviceId,
  type Prefix,
  type Seconds,
  type ServiceName,
  type UnixMicros,
} from '@postern/protocol';
import { EXIT, nearest, PersonError } from '@postern/terminal';
import { readForward } from './forward.ts';
import { readDoors } from './doors.ts';
import { fwknopKeysFile, readFwknopKeys, type FwknopKeys } from './fwknop/keys-file.ts';
import { readFwknop } from './fwknop/read.ts';
import type { Configuration, Device, Service, User } from './model.ts';
import {
  decodeKey,
  DEFAULT_PORT,
  DEFAULT_SECONDS,
  gateFileKeys,
  gateFileSchema,
  KEY_FORM,
  isUserName,
  USER_NAME_FORM,
  userFileKeys,
  userFileSchema,
  type DeviceTable,
  type ServiceTable,
} from './schema.ts';
import { parseEndpoint } from './endpoint.ts';
import { systemUsers } from './system-user.ts';
import { errorAt, errorCode, fileError, readToml, type TomlFile } from './toml-file.ts';
import { validate } from './validate.ts';

/** Where the configuration is when nothing else is said. */
export const DEFAULT_CONFIG_FILE = '/etc/postern/posternd.toml';
/** Where the admin socket is when the configuration says nothing else. */
export const DEFAULT_SOCKET = '/run/postern/posternd.sock';
/** Where the state is when the configuration says nothing else. */
export const DEFAULT_STATE = '/var/lib/postern';

/** What to do where there is no configuration. */
export const MISSING_CONFIGURATION = '`posternd init` makes it; `--config FILE` names another one';

/** What posternd.toml says by itself, without the users. */
export type GateConfiguration = Omit<Configuration, 'users'>;

function micros(date: Date | undefined): UnixMicros | undefined {
  return date === undefined ? undefined : ((date.getTime() * 1000) as UnixMicros);
}

function optionalSeconds(value: number | undefined): Seconds | undefined {
  return value as Seconds | undefined;
}

function readService(from: TomlFile, name: string, raw: ServiceTable): Service {
  const seconds = raw.seconds ?? Math.min(DEFAULT_SECONDS, raw.max_seconds ?? DEFAULT_SECONDS);
  const maxSeconds = raw.max_seconds ?? seconds;
  const path = ['services', name];
  if (seconds > maxSeconds) {
    throw errorAt(
      from,
      [...path, 'seconds'],
      `services.${name}.seconds: ${seconds} is more than max_seconds, ${maxSeconds}`,
    );
  }
  const endpoints = raw.ports.flatMap((text) => parseEndpoint(text) ?? []);
  const double = raw.ports.findIndex((text, i) => raw.ports.indexOf(text) !== i);
  if (double !== -1)
    throw errorAt(
      from,
      [...path, 'ports', double],
      `services.${name}.ports: ${raw.ports[double] ?? ''} is listed twice`,
    );
  const forward = readForward(from, path, raw, endpoints);
  return {
    name: name as ServiceName,
    endpoints,
    seconds: seconds as Seconds,
    maxSeconds: maxSeconds as Seconds,
    singleUse: raw.single_use ?? false,
    observedSource: raw.observed_source ?? false,
    prefix4: raw.prefix4 ?? 32,
    prefix6: raw.prefix6 ?? 128,
    ...(forward === undefined ? {} : { forward }),
    protect: raw.protect ?? false,
    keyed: raw.keyed ?? false,
  };
}

function defaultName(): string {
  const name = hostname()
    .replaceAll(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, 64);
  return isUserName(name) ? name : 'gate';
}

/** Each port in one service, and none of them where knocks arrive. */
function checkEndpoints(from: TomlFile, services: readonly Service[], knockPort: number): void {
  const owners = new Map<string, string>();
  for (const { name, endpoints } of services) {
    endpoints.forEach(({ protocol, port }, i) => {
      const shown = `${protocol}/${port}`;
      const path = ['services', name, 'ports', i];
      if (shown === `udp/${knockPort}`) {
        throw errorAt(
          from,
          path,
          `services.${name}.ports: ${shown} is where knocks arrive`,
          'choose another gate.port',
        );
      }
      const owner = owners.get(shown);
      if (owner !== undefined) {
        throw errorAt(
          from,
          path,
          `services.${name}.ports: ${shown} belongs to the service ${owner} already`,
          'a port is in one service',
        );
      }
      owners.set(shown, name);
    });
  }
}

/**
 * Reads posternd.toml without the users.
 *
 * @throws PersonError with EXIT.configuration and, for what is wrong inside, `FILE:LINE:COLUMN: …`
 */
export function loadGate(file: string): GateConfiguration {
  return readGate(readToml(file, MISSING_CONFIGURATION));
}

/**
 * The same of a file that was read, or is about to be written.
 *
 * @param fwknopKeys - those that are about to be written with it; undefined: those of fwknop.keys beside it
 * @throws PersonError for what is wrong inside
 */
export function readGate(from: TomlFile, fwknopKeys?: FwknopKeys): GateConfiguration {
  const { file } = from;
  const raw = validate(gateFileSchema, from, gateFileKeys);
  const gate = raw.gate ?? {};
  const port = gate.port ?? DEFAULT_PORT;
  const services = Object.entries(raw.services ?? {}).map(([name, service]) => readService(from, name, service));
  checkEndpoints(from, services, port);
  return {
    file,
    keyFile: join(dirname(file), 'gate.key'),
    usersDirectory: join(dirname(file), 'users.d'),
    name: gate.name ?? defaultName(),
    port,
    addresses: gate.addresses ?? [],
    capture: gate.capture ?? 'packet',
    pq: gate.pq ?? 'off',
    sentryUser: gate.sentry_user ?? (systemUsers().has('postern') ? 'postern' : 'nobody'),
    stateDirectory: gate.state ?? DEFAULT_STATE,
    socket: gate.socket ?? DEFAULT_SOCKET,
    dark: gate.dark ?? false,
    allow: gate.allow ?? [],
    trust: gate.trust ?? [],
    services,
    doors: readDoors(from, raw.doors ?? {}, services, port),
    fwknop:
      raw.fwknop === undefined
        ? undefined
        : readFwknop(from, raw.fwknop, fwknopKeys ?? readFwknopKeys(fwknopKeysFile(file)), port),
  };
}

function readDevice(from: TomlFile, raw: DeviceTable, index: number): Device {
  const publicKey = decodeKey(raw.ed25519);
  // Decoded here and not in the schema, because once is enough for a hundred thousand of them.
  if (publicKey === undefined) {
    const came = JSON.stringify(raw.ed25519.slice(0, 80));
    throw errorAt(from, ['devices', index, 'ed25519'], `devices[${index + 1}].ed25519: ${KEY_FORM}, but ${came} came`);
  }
  const id = deviceIdOf(publicKey);
  if (raw.id !== undefined && raw.id !== id) {
    throw errorAt(
      from,
      ['devices', index, 'id'],
      `devices[${index + 1}].id: this key's id is ${id}, but ${raw.id} came`,
      'was the key changed by a slip?',
    );
  }
  return {
    id,
    name: raw.name,
    publicKey,
    enrolled: micros(raw.enrolled),
    expires: micros(raw.expires),
    revoked: micros(raw.revoked),
  };
}

/** Makes a user of a file of users.d that was read. Whether its services exist is checked where all services are known. */
export function readUser(from: TomlFile, name: string): User {
  const raw = validate(userFileSchema, from, userFileKeys);
  return {
    name,
    file: from.file,
    services: raw.services as readonly ServiceName[],
    from: raw.from?.flatMap((text): Prefix[] => {
      const prefix = parsePrefix(text);
      return prefix === undefined ? [] : [prefix];
    }),
    maxSeconds: optionalSeconds(raw.max_seconds),
    expires: micros(raw.expires),
    revoked: micros(raw.revoked),
    devices: (raw.devices ?? []).map((device, i) => readDevice(from, device, i)),
  };
}

function checkServices(from: TomlFile, user: User, services: ReadonlySet<string>): void {
  user.services.forEach((name, i) => {
    if (services.has(name)) return;
    const near = nearest(name, services);
    const known = services.size === 0 ? 'there is no service yet' : `there are: ${[...services].join(', ')}`;
    throw errorAt(
      from,
      ['services', i],
      `services: there is no service ${JSON.stringify(name)}`,
      near === undefined ? known : `did you mean "${near}"?`,
    );
  });
}

function badName(file: string): PersonError {
  return new PersonError(`${file}: is not named after a user`, {
    hint: `${USER_NAME_FORM}; a file that does not end with .toml is passed over`,
    exitCode: EXIT.configuration,
  });
}

/** Names of the files of users.d that count: those that end with `.toml` and do not begin with a dot. */
function userFiles(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith('.toml') && !name.startsWith('.'))
      .sort();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw fileError(directory, error);
  }
}

/**
 * Reads one file of users.d again, for a daemon that changed it.
 *
 * @throws PersonError as {@link loadConfiguration}; whether another user has one of its devices is not checked
 */
export function loadUser(file: string, services: readonly Service[]): User {
  const from = readToml(file);
  const name = (file.split('/').at(-1) ?? '').replace(/\.toml$/, '');
  if (!isUserName(name)) throw badName(file);
  const user = readUser(from, name);
  checkServices(from, user, new Set<string>(services.map((service) => service.name)));
  return user;
}

/**
 * Reads posternd.toml and every file of users.d beside it.
 *
 * @param onBroken - told of each file of users.d that is wrong, which is then left out; without it such a file is an error
 * @throws PersonError with EXIT.configuration for the first thing that is wrong, `FILE:LINE:COLUMN: …` where it is inside a file
 */
export function loadConfiguration(file: string, onBroken?: (error: PersonError) => void): Configuration {
  const gate = loadGate(file);
  const services = new Set<string>(gate.services.map((service) => service.name));
  const owners = new Map<DeviceId, User>();
  const users: User[] = [];
  for (const name of userFiles(gate.usersDirectory)) {
    try {
      const user = readUserFile(join(gate.usersDirectory, name), services, owners);
      for (const device of user.devices) owners.set(device.id, user);
      users.push(user);
    } catch (error) {
      if (onBroken === undefined || !(error instanceof PersonError)) throw error;
      onBroken(error);
    }
  }
  return { ...gate, users };
}

function readUserFile(file: string, services: ReadonlySet<string>, owners: ReadonlyMap<DeviceId, User>): User {
  const from = readToml(file);
  const name = basename(file, '.toml');
  if (!isUserName(name)) throw badName(from.file);
  const user = readUser(from, name);
  checkServices(from, user, services);
  const own = new Set<DeviceId>();
  user.devices.forEach((device, i) => {
    const owner = owners.get(device.id);
    if (owner !== undefined || own.has(device.id)) {
      const whose = owner === undefined ? 'listed before in this file' : `${owner.name}'s already (${owner.file})`;
      throw errorAt(
        from,
        ['devices', i, 'ed25519'],
        `devices[${i + 1}]: this key is ${whose}`,
        'one public key is one device of one user',
      );
    }
    own.add(device.id);
  });
  return user;
}
