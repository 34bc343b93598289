/** Reads what `postern fwknop` wants sent by a raw socket. */
import { accept, familyOf, parseAddress, refuse, type Result } from '@postern/protocol';

/** What shall be sent. */
export interface RawOrder {
  readonly transport: 'tcpraw' | 'udpraw' | 'icmp';
  /** 16 bytes. */
  readonly to: Uint8Array;
  /** Of the same family; undefined for the address that packets to there have. */
  readonly source: Uint8Array | undefined;
  readonly port: number;
  /** Undefined for any. */
  readonly sourcePort: number | undefined;
  /** Undefined for an echo reply. */
  readonly icmpType: number | undefined;
  readonly icmpCode: number;
  readonly payload: Uint8Array;
}

const PAYLOAD_MAX = 1_500;

/** Reads an order; the reason names the field that is wrong. Total. */
export function readRawOrder(text: string): Result<RawOrder, string> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse('JSON expected');
  }
  if (typeof value !== 'object' || value === null) return refuse('an object expected');
  const fields = new Map<string, unknown>(Object.entries(value));
  const transport = (['tcpraw', 'udpraw', 'icmp'] as const).find((known) => known === fields.get('transport'));
  const [to, source] = [addressIn(fields.get('to')), addressIn(fields.get('source'))];
  const payload = fields.get('payload');
  if (transport === undefined) return refuse('transport');
  if (to === undefined) return refuse('to');
  if (fields.get('source') !== undefined && (source === undefined || familyOf(source) !== familyOf(to)))
    return refuse('source');
  if (typeof payload !== 'string' || payload.length > PAYLOAD_MAX || !/^[\x20-\x7e]*$/.test(payload))
    return refuse('payload');
  const [port, sourcePort] = [numberIn(fields, 'port', 1, 65_535), numberIn(fields, 'sourcePort', 1, 65_535)];
  const [icmpType, icmpCode] = [numberIn(fields, 'icmpType', 0, 255), numberIn(fields, 'icmpCode', 0, 255)];
  if (port === null || (port === undefined && transport !== 'icmp')) return refuse('port');
  if (sourcePort === null) return refuse('sourcePort');
  if (icmpType === null) return refuse('icmpType');
  if (icmpCode === null) return refuse('icmpCode');
  return accept({
    ...{ transport, to, source, sourcePort, icmpType },
    port: port ?? 0,
    icmpCode: icmpCode ?? 0,
    payload: new TextEncoder().encode(payload),
  });
}

function addressIn(value: unknown): Uint8Array | undefined {
  return typeof value === 'string' ? parseAddress(value) : undefined;
}

/** Undefined if it is not there, null if it is wrong. */
function numberIn(
  fields: ReadonlyMap<string, unknown>,
  name: string,
  least: number,
  most: number,
): number | undefined | null {
  const value = fields.get(name);
  if (value === undefined) return undefined;
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most ? value : null;
}
