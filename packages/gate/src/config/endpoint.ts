import type { Endpoint } from '../firewall/port.ts';

const ENDPOINT = /^(tcp|udp)\/([1-9][0-9]{0,4})$/;

/** Reads `tcp/22`; undefined for anything else. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const [, protocol, digits] = ENDPOINT.exec(text) ?? [];
  const port = Number(digits);
  return protocol === undefined || port > 65_535 ? undefined : { protocol: protocol === 'tcp' ? 'tcp' : 'udp', port };
}
