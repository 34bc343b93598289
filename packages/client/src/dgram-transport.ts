import { createSocket, type Socket } from 'node:dgram';
import { randomBytes } from 'node:crypto';
import { familyOf, formatAddress, parseAddress, type UnixMicros } from '@postern/protocol';
import { monotonic, networkOf } from './platform.ts';
import { type Path, PathError, type PathEvents, type Surroundings, type Transport } from './transport.ts';

/** Real UDP. */
export const dgramTransport: Transport = { connect };

/** The clock, timers, randomness and network of this machine. */
export function realSurroundings(): Surroundings {
  return {
    transport: dgramTransport,
    random: (size) => randomBytes(size),
    now: () => (Date.now() * 1000) as UnixMicros,
    tick: monotonic,
    after: (milliseconds, run) => {
      const timer = setTimeout(run, milliseconds);
      return () => {
        clearTimeout(timer);
      };
    },
  };
}

function connect(address: Uint8Array, port: number, events: PathEvents): Promise<Path> {
  return new Promise((resolve, reject) => {
    const family = familyOf(address);
    // Only addresses come here: Node need not load its resolver, and go round its event loop, to find them.
    const socket = createSocket({
      type: family === 4 ? 'udp4' : 'udp6',
      lookup: (name, _, found) => {
        found(null, name, family);
      },
    });
    const refuse = (error: Error): void => {
      socket.close();
      reject(new PathError(codeOf(error)));
    };
    socket.once('error', refuse);
    socket.connect(port, formatAddress(address), (error?: Error) => {
      socket.off('error', refuse);
      if (error !== undefined) refuse(error);
      else resolve(pathOf(socket, events));
    });
  });
}

function pathOf(socket: Socket, events: PathEvents): Path {
  const local = socket.address().address;
  let open = true;
  const tell = (error: Error): void => {
    if (open) events.trouble(codeOf(error));
  };
  socket.on('error', tell);
  socket.on('message', (datagram) => {
    if (open) events.received(datagram);
  });
  return {
    // A zone (`%eth0`) says nothing to the gate; an address of which we can make nothing is not a global one.
    local: parseAddress(local.replace(/%.*$/, '')) ?? new Uint8Array(16),
    network: networkOf(local),
    send: (datagram) => {
      socket.send(datagram, (error) => {
        if (error !== null) tell(error);
      });
    },
    [Symbol.dispose]: () => {
      if (!open) return;
      open = false;
      socket.close();
    },
  };
}

function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message;
}
