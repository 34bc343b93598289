import { toHex, type DeviceId, type RequestId, type ServiceName, type UnixMicros } from '@postern/protocol';
import type { Endpoint, Source } from '../firewall/port.ts';
import type { StoredGrant } from './store.ts';

/** Leave for one source to reach one service until a time. The kernel holds it and ends it; this is what we know about it. */
export interface Grant {
  /** 8 random bytes in hexadecimal: the only thing about it that the ruleset shows. */
  readonly id: string;
  readonly request: RequestId;
  /** Undefined for a grant that was found in the kernel and in no record. */
  readonly device: DeviceId | undefined;
  readonly service: ServiceName | undefined;
  readonly source: Source;
  /** Of a single-use grant those that no connection has used up, as far as is known. */
  readonly endpoints: readonly Endpoint[];
  readonly created: UnixMicros;
  readonly ends: UnixMicros;
  /** Place of a single-use grant, the same for each of its endpoints; undefined for a timed one. */
  readonly slot: number | undefined;
}

/** An endpoint as text: "tcp/22". */
export function formatEndpoint(endpoint: Endpoint): string {
  return `${endpoint.protocol}/${String(endpoint.port)}`;
}

function parseEndpoints(text: string): Endpoint[] {
  return text.split(' ').map((word) => {
    const [protocol, port] = word.split('/');
    return { protocol: protocol === 'udp' ? 'udp' : 'tcp', port: Number(port) };
  });
}

/** Whether two sources are the same address or prefix. */
export function sameSource(a: Source, b: Source): boolean {
  return a.family === b.family && a.prefix === b.prefix && toHex(a.address) === toHex(b.address);
}

/** A name for the kernel's element of a source and an endpoint, which all grants of both share. */
export function elementKey(source: Source, endpoint: Endpoint): string {
  return `${toHex(source.address)}/${String(source.prefix)} ${formatEndpoint(endpoint)}`;
}

/** A grant as the database keeps it; undefined for one that nobody is known to have asked for. */
export function recordOf(grant: Grant): StoredGrant | undefined {
  const { device, service, source } = grant;
  if (device === undefined || service === undefined) return undefined;
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
