/** Sends a packet: a datagram, or over a connection that is closed then. */
import { createSocket } from 'node:dgram';
import { familyOf, formatAddress } from '@postern/protocol';
import { encodeFwknopHttp } from '@postern/protocol/fwknop';
import { EXIT, PersonError } from '@postern/terminal';
import { resolveAddresses } from '../resolve.ts';
import type { FwknopWay } from './way.ts';
import { familyOfWay, isRaw } from './way.ts';

const PATIENCE_MS = 10_000;

/**
 * The address to send to, 16 bytes: IPv4 where the name has one, as fwknop knows nothing else.
 *
 * @throws PersonError if there is none
 */
export async function destinationOf(way: FwknopWay, host: string): Promise<Uint8Array> {
  const { addresses, failed } = await resolveAddresses([host], familyOfWay(way));
  const found = addresses.find((address) => familyOf(address) === 4) ?? addresses[0];
  if (found !== undefined) return found;
  const family = familyOfWay(way);
  throw failed.length > 0
    ? new PersonError(`cannot find the address of ${host}`, {
        hint: 'does name resolution work here (DNS)?',
        exitCode: EXIT.silent,
      })
    : new PersonError(`${host} has no IPv${family ?? 4} address`, {
        hint: way.spoofed === undefined ? 'leave out --server-resolve-ipv4' : '-Q must be of the same family',
        exitCode: EXIT.silent,
      });
}

/** Host that a packet is sent to: the server, or the proxy. */
export function hostOf({ proxy, server }: FwknopWay): string {
  const host = proxy?.host ?? server;
  if (host !== undefined) return host;
  throw new PersonError('where shall the packet go?', { hint: '-D names the server', exitCode: EXIT.usage });
}

/** Sends a packet to an address of 16 bytes. @throws PersonError if it could not leave */
export async function sendPacket(packet: Uint8Array, way: FwknopWay, address: Uint8Array): Promise<void> {
  const { transport, port, sourcePort, proxy } = way;
  if (isRaw(transport)) {
    const { sendRaw } = await import('./raw.ts');
    await sendRaw({ ...way, transport }, packet, address);
    return;
  }
  const host = formatAddress(address);
  const to = transport === 'http' ? (proxy?.port ?? port) : port;
  try {
    if (transport === 'udp') await sendDatagram(packet, host, to, sourcePort);
    else await sendOverTcp(transport === 'http' ? requestOf(packet, way) : packet, host, to, sourcePort);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new PersonError(
      `the packet to ${host}, ${transport === 'udp' ? 'udp' : 'tcp'}/${to} could not leave: ${code}`,
      {
        hint: hintFor(code, transport),
        exitCode: code === 'EADDRINUSE' || code === 'EACCES' ? EXIT.failed : EXIT.silent,
        cause: error,
      },
    );
  }
}

/** The request of HTTP that carries a packet. */
function requestOf(packet: Uint8Array, { server = '', proxy, userAgent }: FwknopWay): Uint8Array {
  const host = server.includes(':') ? `[${server}]` : server;
  return Buffer.from(encodeFwknopHttp(packet, { host, userAgent, proxy: proxy !== undefined }), 'latin1');
}

function hintFor(code: string, transport: string): string | undefined {
  if (code === 'EADDRINUSE' || code === 'EACCES') return '-S: another port, or as root';
  if (transport === 'udp') return undefined;
  return 'something has to take connections at that port: with `-P tcp` a TCP server of fwknopd, with `-P http` a web server';
}

async function sendDatagram(packet: Uint8Array, host: string, port: number, from: number | undefined): Promise<void> {
  const family = host.includes(':') ? 6 : 4;
  const socket = createSocket({
    type: family === 4 ? 'udp4' : 'udp6',
    // Only addresses come here: the resolver need not be loaded.
    lookup: (name, _, found) => {
      found(null, name, family);
    },
  });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      const send = (): void => {
        socket.send(packet, port, host, (error) => {
          if (error === null) resolve();
          else reject(error);
        });
      };
      if (from === undefined) send();
      else socket.bind(from, send);
    });
  } finally {
    socket.close();
  }
}

async function sendOverTcp(bytes: Uint8Array, host: string, port: number, from: number | undefined): Promise<void> {
  const { connect } = await import('node:net');
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host, port, ...(from === undefined ? {} : { localPort: from }) });
    socket.setTimeout(PATIENCE_MS, () => {
      socket.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' }));
    });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.end(bytes, () => {
        socket.destroy();
        resolve();
      });
    });
  });
}
