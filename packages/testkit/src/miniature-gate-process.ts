/**
 * A miniature gate as a process on loopback, for tests of the command: `node miniature-gate-process.ts`. Prints `port N` and takes one
 * command a line on standard input, answering each with one line: `invite`, `revoke`, `lose-state`, `clock SECONDS`, `rotate`, `settle`, `deaf N`
 * (ignore the next N packets), `deaf-to ADDRESS`, `grants`. Ends with its input.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { encodeInvite, formatPrefix, importSigner, parseAddress, type UnixMicros } from '@postern/protocol';
import { MiniatureGate } from './miniature-gate.ts';

let offset = 0;
let deaf = 0;
let deafTo = '';
const now = (): UnixMicros => (Date.now() * 1000 + offset) as UnixMicros;
const random = (size: number): Uint8Array => randomBytes(size);
const gate = new MiniatureGate({ random, now });
const sockets = [
  ['udp4', '127.0.0.1'],
  ['udp6', '::1'],
] as const;
let port = 0;
const open = [];
for (const [type, address] of sockets) {
  const socket = createSocket(type);
  socket.bind({ port, address });
  await once(socket, 'listening');
  ({ port } = socket.address());
  socket.on('message', (packet, from) => {
    if (from.address === deafTo) return;
    if (deaf > 0) {
      deaf--;
      return;
    }
    const receipt = gate.handle(packet, parseAddress(from.address) ?? new Uint8Array(16));
    if (receipt !== undefined) socket.send(receipt, from.port, from.address);
  });
  open.push(socket);
}
process.stdout.write(`port ${port}\n`);

for await (const line of createInterface({ input: process.stdin })) {
  const [word = '', ...rest] = line.split(' ');
  process.stdout.write(`${command(word, rest)}\n`);
}
for (const socket of open) socket.close();

function command(word: string, rest: readonly string[]): string {
  const [value = '0'] = rest;
  switch (word) {
    case 'invite': {
      const seed = random(32);
      const pq = rest.includes('pq') ? 'required' : 'off';
      const addresses = rest.filter((text) => text !== 'pq');
      const invite = gate.invite(seed, importSigner(seed).publicKey, {
        ...{ port, pq, name: 'gate', addresses: addresses.length > 0 ? addresses : ['127.0.0.1'] },
      });
      return encodeInvite(invite);
    }
    case 'revoke':
      gate.devices.clear();
      return 'ok';
    case 'lose-state':
      gate.loseState();
      return 'ok';
    case 'clock':
      offset = Number(value) * 1_000_000;
      return 'ok';
    case 'rotate':
      gate.gateKeys = [...gate.gateKeys.slice(-1), random(32)];
      return 'ok';
    case 'settle':
      gate.gateKeys = gate.gateKeys.slice(-1);
      return 'ok';
    case 'deaf':
      deaf = Number(value);
      return 'ok';
    case 'deaf-to':
      deafTo = value;
      return 'ok';
    case 'grants':
      return JSON.stringify(gate.grants.map(({ service, source }) => `${service} ${formatPrefix(source)}`));
    default:
      return 'what?';
  }
}
