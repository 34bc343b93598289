import {
  accept,
  formatAddress,
  fromHex,
  refuse,
  toHex,
  type RequestId,
  type Result,
  type ServiceName,
  type UnixMicros,
} from '@postern/protocol';
import { formatEndpoint, parseEndpoint } from '../config/endpoint.ts';
import type { Forward, Service } from '../config/model.ts';
import type { Endpoint, Source, Target } from '../firewall/port.ts';
import type { Holder } from './holder.ts';
import type { StoredGrant } from './store.ts';

/** Leave for one source to reach one service until a time. The kernel holds it and ends it; this is what we know about it. */
export interface Grant {
  /** 8 random bytes in hexadecimal: the only thing about it that the ruleset shows. */
  readonly id: string;
  readonly request: RequestId;
  /** Undefined for a grant that was found in the kernel and in no record. */
  readonly device: Holder | undefined;
  /** Undefined for such a grant, and for one to endpoints of no service. */
  readonly service: ServiceName | undefined;
  readonly source: Source;
  /** Of a single-use grant those that no connection has used up, as far as is known. */
  readonly endpoints: readonly Endpoint[];
  readonly created: UnixMicros;
  readonly ends: UnixMicros;
  /** Place of a single-use grant, the same for each of its endpoints; undefined for a timed one. */
  readonly slot: number | undefined;
  /** Where its connections are led, when not to this host. No record keeps it: the kernel does. */
  readonly target?: Forward | undefined;
  /** Until when the kernel holds it, in its own time, where that is said: it may be some milliseconds longer than the grant lasts. */
  readonly held?: number | undefined;
}

/**
 * A source that is kept for long, as text: a typed array takes 300 bytes outside V8's heap and in it, for 16 of them, and there are tens of thousands
 * of grants. Its address is a new array each time.
 */
export class KeptSource implements Source {
  readonly family: 4 | 6;
  /** The same text as {@link sourceKey}. */
  readonly key: string;

  constructor(source: Source) {
    this.family = source.family;
    this.key = sourceKey(source);
  }

  get address(): Uint8Array {
    return fromHex(this.key.slice(0, 32));
  }

  get prefix(): number {
    return Number(this.key.slice(33));
  }
}

/** A source as text, which is the same for the same source. */
export function sourceKey(source: Source): string {
  return source instanceof KeptSource ? source.key : `${toHex(source.address)}/${String(source.prefix)}`;
}

/** Where a grant leads the connections to one of its endpoints; undefined: to this host. */
export function targetOf({ target }: Pick<Grant, 'target'>, endpoint: Endpoint): Target | undefined {
  return target === undefined ? undefined : { ...target, port: target.port ?? endpoint.port };
}

/**
 * Where a service leads a source, undefined for one of this host. Refused where the service lives elsewhere, but at no address of the
 * source's family.
 */
export function leadFor(
  service: Pick<Service, 'forward'>,
  { family }: Pick<Source, 'family'>,
): Result<Forward | undefined, 'not-permitted'> {
  const target = service.forward?.[family];
  return service.forward !== undefined && target === undefined ? refuse('not-permitted') : accept(target);
}

/** A target as text: "10.0.3.7", "10.0.3.7:443", "[fd00::7]:443". */
export function formatTarget({ address, port }: Pick<Forward, 'address' | 'port'>): string {
  const text = formatAddress(address);
  if (port === undefined) return text;
  return `${text.includes(':') ? `[${text}]` : text}:${String(port)}`;
}

/** Whether two grants for one source and endpoint lead to the same place. */
export function leadAlike(a: Pick<Grant, 'target'>, b: Pick<Grant, 'target'>, endpoint: Endpoint): boolean {
  const text = (target: Target | undefined): string => (target === undefined ? '' : formatTarget(target));
  return text(targetOf(a, endpoint)) === text(targetOf(b, endpoint));
}

function parseEndpoints(text: string): Endpoint[] {
  return text.split(' ').flatMap((word) => parseEndpoint(word) ?? []);
}

/** Whether two sources are the same address or prefix. */
export function sameSource(a: Source, b: Source): boolean {
  return a.family === b.family && sourceKey(a) === sourceKey(b);
}

/** A name for the kernel's element of a source and an endpoint, which all grants of both share. */
export function elementKey(source: Source, endpoint: Endpoint): string {
  return `${sourceKey(source)} ${formatEndpoint(endpoint)}`;
}

/** A grant as the database keeps it; undefined for one that nobody is known to have asked for. */
export function recordOf(grant: Grant): StoredGrant | undefined {
  const { device, service, source } = grant;
  if (device === undefined) return undefined;
  return {
    id: grant.id,
    request: grant.request,
    device,
    service,
    family: source.family,
    address: source.address,
    prefix: source.prefix,
    endpoints: grant.endpoints.map(formatEndpoint).join(' '),
    created: grant.created,
    ends: grant.ends,
    slot: grant.slot,
  };
}

/** A grant that the database kept. */
export function grantOf(record: StoredGrant): Grant {
  return {
    id: record.id,
    request: record.request,
    device: record.device,
    service: record.service,
    source: { family: record.family, address: record.address, prefix: record.prefix },
    endpoints: parseEndpoints(record.endpoints),
    created: record.created,
    ends: record.ends,
    slot: record.slot,
  };
}
