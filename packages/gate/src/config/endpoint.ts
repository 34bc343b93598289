import type { Endpoint } from '../firewall/port.ts';

/** `tcp/22`: 1 to 65535 digit by digit, so that editors know it too. */
export const ENDPOINT: RegExp =
  /^(tcp|udp)\/([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$/;

/** Reads `tcp/22`; undefined for anything else. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const [, protocol, digits] = ENDPOINT.exec(text) ?? [];
  return protocol === undefined ? undefined : { protocol: protocol === 'tcp' ? 'tcp' : 'udp', port: Number(digits) };
}

/** Writes what {@link parseEndpoint} reads. */
export function formatEndpoint({ protocol, port }: Endpoint): string {
  return `${protocol}/${port}`;
}

/** Whether two are the same. */
export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && a.protocol === b.protocol;
}
