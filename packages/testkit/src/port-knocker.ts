/** Sends port knocks as anybody can: with Node's own sockets, from an address of a namespace. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { inNamespace } from './in-namespace.ts';
import type { Namespace } from './namespace.ts';

/** `tcp/7000` or `udp/7000`. */
export type PortKnock = `${'tcp' | 'udp'}/${number}`;

const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Sends one SYN: a connection that is given up as soon as it was begun. */
async function syn(from: string, to: string, port: number): Promise<void> {
  const socket = connect({ host: to, port, localAddress: from });
  socket.on('error', () => undefined);
  // The system call is made in the next turn of the loop; an answer may come at any time.
  await sleep(1);
  socket.destroy();
}

/** Sends knocks from `from` to `to` in their order, `gap` milliseconds apart. One at a time in a process. */
export async function sendTables(
  world: Namespace,
  from: string,
  to: string,
  knocks: readonly PortKnock[],
  gap = 5,
): Promise<void> {
  await inNamespace(world, async () => {
    const udp: Socket = createSocket(to.includes(':') ? 'udp6' : 'udp4');
    udp.bind(0, from);
    await once(udp, 'listening');
    udp.on('error', () => undefined);
    for (const knock of knocks) {
      const [protocol, digits] = knock.split('/');
      const port = Number(digits);
      if (protocol === 'tcp') await syn(from, to, port);
      else
        await new Promise<void>((resolve) =>
          udp.send('k', port, to, () => {
            resolve();
          }),
        );
      await sleep(gap);
    }
    udp.close();
  });
}
