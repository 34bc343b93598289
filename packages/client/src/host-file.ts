/** The text of a host's file: JSON, bytes as hexadecimal digits, times in Unix microseconds. */
import {
  deviceIdOf,
  fromHex,
  importSigner,
  isServiceName,
  secret,
  STATIC_SIZE,
  toHex,
  type SecretBytes,
  type ServiceName,
  type UnixMicros,
} from '@postern/protocol';
import { type Host, hostName, type Memory, type SeenAddress } from './host.ts';
import {
  type Derivation,
  derivationOf,
  type Lock,
  LOCKED_FORMAT,
  openText,
  type Sealed,
  sealText,
} from './locked-file.ts';

/** Version of the format; a file of a later one is refused. */
export const HOST_FORMAT = 1;

/** A file that is not what {@link encodeHost} writes; the message says what was expected where. */
export class HostFileError extends Error {}

/** Makes the key of a file that has a passphrase; `wrong` says that the one before did not fit. */
export type Unlock = (derivation: Derivation, wrong: boolean) => Lock;

/** What a file tells without its passphrase. */
export interface HostSummary extends Pick<Host, 'name' | 'addresses' | 'port' | 'pq' | 'services' | 'joined'> {
  /** The device's id on that gate, 32 hexadecimal digits. */
  readonly device: string;
  readonly enrolled: boolean;
  /** Whether the file has a passphrase. */
  readonly locked: boolean;
  /** The gate's clock less this device's, in microseconds. */
  readonly offset: number;
  /** Smoothed round trip in microseconds. */
  readonly roundTrip: number | undefined;
}

/** The summary of a host that was read. */
export function summaryOf(host: Host): HostSummary {
  const { name, addresses, port, pq, services, joined, memory, enrolment, lock } = host;
  return {
    ...{ name, addresses, port, pq, services, joined },
    device: deviceIdOf(importSigner(host.seed).publicKey),
    enrolled: enrolment === undefined,
    locked: lock !== undefined,
    offset: memory.sender.offset,
    roundTrip: memory.roundTrip?.smoothed,
  };
}

/** The text of a host's file: it holds secrets, or is sealed. */
export function encodeHost(host: Host): string {
  const text = encodePlain(host);
  if (host.lock === undefined) return text;
  const summary = summaryOf(host);
  const readable = { format: LOCKED_FORMAT, ...summary };
  return `${JSON.stringify({ ...readable, sealed: sealText(text, JSON.stringify(readable), host.lock) }, undefined, 2)}\n`;
}

function encodePlain(host: Host): string {
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
    ...(host.knockKey === undefined ? {} : { knockKey: toHex(host.knockKey) }),
    ...(host.knockedSlot === undefined ? {} : { knockedSlot: host.knockedSlot }),
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
export function decodeHost(text: string, unlock?: Unlock): Host {
  const file = parse(text);
  if (file.integer('format') !== LOCKED_FORMAT) return decodePlain(file);
  const sealed = sealedIn(file);
  const derivation = derivationOf(sealed);
  if (typeof derivation === 'string') throw new HostFileError(`sealed.${derivation}`);
  if (unlock === undefined) throw new HostFileError('it has a passphrase');
  const { sealed: _, ...readable } = JSON.parse(text) as Readonly<Record<string, unknown>>;
  for (let wrong = false; ; wrong = true) {
    const lock = unlock(derivation, wrong);
    const opened = openText(sealed, JSON.stringify(readable), lock);
    if (opened !== undefined) return { ...decodePlain(parse(opened)), lock };
  }
}

/** What a file's text tells without its passphrase. @throws HostFileError */
export function decodeSummary(text: string): HostSummary {
  const file = parse(text);
  if (file.integer('format') !== LOCKED_FORMAT) return summaryOf(decodePlain(file));
  const device = file.text('device');
  if (!/^[0-9a-f]{32}$/.test(device)) throw new HostFileError('device: 32 hexadecimal digits expected');
  return {
    name: nameIn(file),
    addresses: file.texts('addresses'),
    port: file.integer('port', 1, 65_535),
    pq: pqIn(file),
    services: file.texts('services').map(service),
    joined: file.integer('joined') as UnixMicros,
    device,
    enrolled: file.flag('enrolled'),
    locked: true,
    offset: file.integer('offset', Number.MIN_SAFE_INTEGER),
    roundTrip: file.has('roundTrip') ? file.number('roundTrip') : undefined,
  };
}

function parse(text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new HostFileError('it is not JSON');
  }
  return new Fields('', value);
}

function sealedIn(file: Fields): Sealed {
  const sealed = file.fields('sealed');
  return {
    kdf: sealed.text('kdf'),
    ...{ memory: sealed.integer('memory'), passes: sealed.integer('passes'), lanes: sealed.integer('lanes') },
    ...{ salt: sealed.text('salt'), nonce: sealed.text('nonce'), box: sealed.text('box') },
  };
}

function nameIn(file: Fields): string {
  const name = file.text('name');
  if (hostName(name) !== name) throw new HostFileError('name: a host name expected');
  return name;
}

function pqIn(file: Fields): 'required' | 'off' {
  const pq = file.text('pq');
  if (pq !== 'required' && pq !== 'off') throw new HostFileError('pq: "required" or "off" expected');
  return pq;
}

function decodePlain(file: Fields): Host {
  const format = file.integer('format');
  if (format !== HOST_FORMAT) throw new HostFileError(`format ${format} is newer than this program`);
  const name = nameIn(file);
  const gate = file.fields('gate');
  const pq = pqIn(file);
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
    ...(file.has('knockKey') ? { knockKey: file.secret('knockKey') } : {}),
    ...(file.has('knockedSlot') ? { knockedSlot: file.integer('knockedSlot') } : {}),
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

  flag(name: string): boolean {
    const value = this.#get(name);
    return typeof value === 'boolean' ? value : this.fail(name, 'true or false');
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
