/**
 * Somebody out there with UDP sockets, for tests. In: `{to, port, hex, times?}` sends a datagram; `{probe, port}` sends a byte to it and
 * tells `refused` or `silent`. Out: `{got}` for every datagram that comes back, `{sent}` when the sending is over.
 */
import { createSocket } from 'node:dgram';
import process from 'node:process';
import { createInterface } from 'node:readline';

interface Command {
  readonly to?: string;
  readonly probe?: string;
  readonly port: number;
  readonly hex?: string;
  readonly times?: number;
}

function tell(event: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

const sockets = { 4: createSocket('udp4'), 6: createSocket('udp6') };
for (const socket of [sockets[4], sockets[6]]) {
  socket.on('message', (bytes, { address, port }) => {
    tell({ got: { address, port, hex: bytes.toString('hex') } });
  });
}

async function send({ to = '', port, hex = '', times = 1 }: Command): Promise<void> {
  const bytes = Buffer.from(hex, 'hex');
  const socket = to.includes(':') ? sockets[6] : sockets[4];
  for (let count = 0; count < times; count++) {
    // Junk is different every time, so that nothing but the filter refuses it.
    if (times > 1) bytes.writeUInt32BE(count, 0);
    await new Promise((resolve) => {
      socket.send(bytes, port, to, resolve);
    });
  }
  tell({ sent: times });
}

function probe(to: string, port: number): void {
  const socket = createSocket(to.includes(':') ? 'udp6' : 'udp4');
  const silent = setTimeout(() => {
    socket.close();
    tell({ probed: 'silent' });
  }, 300);
  socket.on('error', (error) => {
    clearTimeout(silent);
    socket.close();
    tell({ probed: error.message.includes('ECONNREFUSED') ? 'refused' : error.message });
  });
  socket.connect(port, to, () => {
    socket.send(Uint8Array.of(1));
  });
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line) as Command;
  if (command.probe !== undefined) probe(command.probe, command.port);
  else void send(command);
});
tell({ ready: process.pid });
