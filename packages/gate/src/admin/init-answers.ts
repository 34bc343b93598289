/** What `posternd init` offers, and what it accepts. */
import { hostname, networkInterfaces } from 'node:os';
import { isGlobal, parseAddress } from '@postern/protocol';
import { parseEndpoint } from '../config/endpoint.ts';
import { isHost, isServiceName, isUserName } from '../config/schema.ts';
import type { FirstService } from './initialize.ts';

/** The host's name, as far as a gate can be called so. */
export function offeredName(host: string = hostname()): string {
  const name = (host.split('.')[0] ?? '').replaceAll(/[^A-Za-z0-9_-]/g, '-').slice(0, 64);
  return isUserName(name) ? name : 'gate';
}

/** Addresses of this host that mean it everywhere; where it has none (behind NAT), those that mean it nearby. IPv4 first. */
export function offeredAddresses(interfaces: ReturnType<typeof networkInterfaces> = networkInterfaces()): string[] {
  const all = Object.values(interfaces)
    .flatMap((list) => list ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
    .sort((a, b) => a.family.localeCompare(b.family));
  const global = all.filter(({ address }) => {
    const bytes = parseAddress(address);
    return bytes !== undefined && isGlobal(bytes);
  });
  return [...new Set((global.length > 0 ? global : all).map(({ address }) => address))].slice(0, 16);
}

/** The ssh service, on the port that this ssh session came in by, if it is one. */
export function offeredService(environment: Readonly<Record<string, string | undefined>>): FirstService {
  const port = /^\S+ \d+ \S+ (\d{1,5})$/.exec(environment['SSH_CONNECTION'] ?? '')?.[1] ?? '22';
  return { name: 'ssh', ports: [`tcp/${parseEndpoint(`tcp/${port}`) === undefined ? '22' : port}`] };
}

/** Why a name cannot be a gate's, if so. */
export function wrongName(name: string): string | undefined {
  return isUserName(name) ? undefined : 'a name is 1 to 64 letters, digits, dots, underscores or hyphens';
}

/** Addresses, apart by commas. */
export function splitAddresses(text: string): string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

/** Why a list of addresses cannot be a gate's, if so. */
export function wrongAddresses(text: string): string | undefined {
  const addresses = splitAddresses(text);
  if (addresses.length === 0) return 'at least one address or host name is needed';
  if (addresses.length > 16) return 'at most 16 addresses can be in an invite';
  const wrong = addresses.find((address) => !isHost(address));
  return wrong === undefined ? undefined : `${JSON.stringify(wrong)} is neither an address nor a host name`;
}

/** Why a text is no UDP port, if so. */
export function wrongPort(text: string): string | undefined {
  return /^\d{1,5}$/.test(text) && parseEndpoint(`udp/${Number(text)}`) !== undefined
    ? undefined
    : 'a port is a number from 1 to 65535';
}

/** Reads `ssh=tcp/22` or `web=tcp/80,tcp/443`. */
export function parseService(text: string): FirstService | undefined {
  const [name = '', ports = '', ...more] = text.split('=');
  const list = ports.split(',').map((port) => port.trim());
  if (more.length > 0 || !isServiceName(name.trim()) || !list.every((port) => parseEndpoint(port) !== undefined)) {
    return undefined;
  }
  return { name: name.trim(), ports: list };
}

/** Why a text is no service, if so. */
export function wrongService(text: string): string | undefined {
  return parseService(text) === undefined
    ? 'a service is NAME=PORTS, such as ssh=tcp/22 or web=tcp/80,tcp/443'
    : undefined;
}
