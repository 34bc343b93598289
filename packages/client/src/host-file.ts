/** The text of a host's file: JSON, bytes as hexadecimal digits, times in Unix microseconds. */
import {
  fromHex,
  isServiceName,
  secret,
  STATIC_SIZE,
  toHex,
  type SecretBytes,
  type ServiceName,
  type UnixMicros,
} from '@postern/protocol';
import { type Host, hostName, type Memory, type SeenAddress } from './host.ts';

/** Version of the format; a file of a later one is refused. */
export const HOST_FORMAT = 1;

/** A file that is not what {@link encodeHost} writes; the message says what was expected where. */
export class HostFileError extends Error {}

/** The text of a host's file. It holds secrets. */
export function encodeHost(host: Host): string {
  const { gate, enrolment } = host;
  const value = {
    format: HOST_FORMAT,
    name: host.name,
    seed: toHex(host.seed),
    gate: { x25519: toHex(gate.x25519), ...(gate.xwing === undefined ? {} : { xwing: toHex(gate.xwing) }) },
    addresses: host.addresses,
    port: host.port,
    pq: host.pq,
    services: host.services,
    joined: host.joined,
    memory: encodeMemory(host.memory),
    ...(enrolment === undefined
      ? {}
      : {
          enrolment: {
            seed: toHex(enrolment.seed),
            expires: enrolment.expires,
            memory: encodeMemory(enrolment.memory),
          },
        }),
  };
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

function encodeMemory({ sender, formerKey, seen, roundTrip }: Memory): unknown {
  return {
    ...{ era: sender.era, last: sender.last, heard: sender.heard, offset: sender.offset },
    stateId: toHex(sender.stateId),
    gateKey: toHex(sender.gateKey),
    ...(formerKey === undefined ? {} : { formerKey: toHex(formerKey) }),
    ...(roundTrip === undefined ? {} : { roundTrip }),
    seen: Object.fromEntries([...seen].map(([network, { address, at }]) => [network, { address: toHex(address), at }])),
  };
}

/** The host in a file's text. @throws HostFileError if it is anything but what {@link encodeHost} writes */
export function decodeHost(text: string): Host {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new HostFileError('it is not JSON');
  }
  const file = new Fields('', value);
  const format = file.integer('format');
  if (format !== HOST_FORMAT) throw new HostFileError(`format ${format} is newer than this program`);
  const name = file.text('name');
  if (hostName(name) !== name) throw new HostFileError('name: a host name expected');
  const gate = file.fields('gate');
  const pq = file.text('pq');
  if (pq !== 'required' && pq !== 'off') throw new HostFileError('pq: "required" or "off" expected');
  const xwing = gate.has('xwing') ? gate.bytes('xwing', STATIC_SIZE[2]) : undefined;
  if (pq === 'required' && xwing === undefined) throw new HostFileError('gate.xwing: missing, but pq is required');
  const enrolment = file.has('enrolment') ? file.fields('enrolment') : undefined;
  return {
    name,
    seed: file.secret('seed'),
    gate: { x25519: gate.bytes('x25519', STATIC_SIZE[1]), xwing },
    addresses: file.texts('addresses'),
    port: file.integer('port', 1, 65_535),
    pq,
    services: file.texts('services').map(service),
    joined: file.integer('joined') as UnixMicros,
    memory: decodeMemory(file.fields('memory')),
    enrolment:
      enrolment === undefined
        ? undefined
        : {
            seed: enrolment.secret('seed'),
            expires: enrolment.integer('expires') as UnixMicros,
            memory: decodeMemory(enrolment.fields('memory')),
          },
  };
}

function decodeMemory(file: Fields): Memory {
  const networks = file.fields('seen');
  const seen = new Map<string, SeenAddress>();
  for (const network of networks.names()) {
    const entry = networks.fields(network);
    seen.set(network, { address: entry.bytes('address', 16), at: entry.integer('at') as UnixMicros });
  }
  const roundTrip = file.has('roundTrip') ? file.fields('roundTrip') : undefined;
  return {
    sender: {
      era: file.integer('era', 0, 0xffff_ffff),
      last: file.integer('last') as UnixMicros,
      heard: file.integer('heard', 0, 0xffff_ffff),
      offset: file.integer('offset', Number.MIN_SAFE_INTEGER),
      stateId: file.bytes('stateId', 8),
      gateKey: file.secret('gateKey'),
    },
    formerKey: file.has('formerKey') ? file.secret('formerKey') : undefined,
    seen,
    roundTrip:
      roundTrip === undefined
        ? undefined
        : { smoothed: roundTrip.number('smoothed'), variation: roundTrip.number('variation') },
  };
}

function service(name: string): ServiceName {
  if (!isServiceName(name)) throw new HostFileError('services: names of services expected');
  return name;
}

/** One JSON object, read field by field; every error names the field by its path. */
class Fields {
  readonly #path: string;
  readonly #value: Readonly<Record<string, unknown>>;

  constructor(path: string, value: unknown) {
    this.#path = path;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) this.fail('', 'an object');
    this.#value = value as Readonly<Record<string, unknown>>;
  }

  names(): string[] {
    return Object.keys(this.#value);
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#value, name);
  }

  fields(name: string): Fields {
    return new Fields(this.#at(name), this.#get(name));
  }

  text(name: string): string {
    const value = this.#get(name);
    return typeof value === 'string' ? value : this.fail(name, 'a text');
  }

  texts(name: string): string[] {
    const value = this.#get(name);
    const fits = Array.isArray(value) && value.every((item) => typeof item === 'string');
    return fits ? value : this.fail(name, 'a list of texts');
  }

  number(name: string): number {
    const value = this.#get(name);
    return typeof value === 'number' && Number.isFinite(value) ? value : this.fail(name, 'a number');
  }

  integer(name: string, least = 0, most: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.number(name);
    const fits = Number.isSafeInteger(value) && value >= least && value <= most;
    return fits ? value : this.fail(name, `an integer from ${least} to ${most}`);
  }

  bytes(name: string, size: number): Uint8Array {
    const text = this.text(name);
    const fits = text.length === 2 * size && /^[0-9a-f]*$/i.test(text);
    return fits ? fromHex(text) : this.fail(name, `${2 * size} hexadecimal digits`);
  }

  secret(name: string): SecretBytes {
    return secret(this.bytes(name, 32));
  }

  fail(name: string, expected: string): never {
    throw new HostFileError(`${this.#at(name) || 'the whole'}: ${expected} expected`);
  }

  #at(name: string): string {
    return [this.#path, name].filter((part) => part !== '').join('.');
  }

  #get(name: string): unknown {
    return this.has(name) ? this.#value[name] : undefined;
  }
}
