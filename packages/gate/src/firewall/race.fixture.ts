/**
 * `node race.fixture.ts PORT START ADDRESS …`: at START (ms since 1970) begins two connections from every address to 10.77.0.1:PORT,
 * without waiting, and prints how many were answered. Several of these at once hit the same doors from several processors.
 */
import { writeSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import koffi from 'koffi';
import { bindSocket, getOption, socket, SOCKET } from '../system/libc.ts';

const connect = koffi.load(null).func('int connect(int, void *, uint32)') as (
  fd: number,
  to: Uint8Array,
  size: number,
) => number;
const SOCK_STREAM = 1;
const TCP_INFO = 11;
const IPPROTO_TCP = 6;
const ESTABLISHED = 1;

function address(text: string, port: number): Uint8Array {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(SOCKET.AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(text.split('.').map(Number), 4);
  return bytes;
}

const [port = '', start = '', ...from] = process.argv.slice(2);
const gate = address('10.77.0.1', Number(port));
const sockets = from
  .flatMap((text) => [text, text])
  .map((text) => {
    const fd = socket(SOCKET.AF_INET, SOCK_STREAM | SOCKET.SOCK_NONBLOCK, 0);
    if (fd < 0 || bindSocket(fd, address(text, 0)) < 0) throw new Error(`cannot bind ${text}`);
    return fd;
  });
await sleep(Number(start) - Date.now());
for (const fd of sockets) connect(fd, gate, gate.length);
await sleep(500);
const admitted = sockets.filter((fd) => {
  const info = Buffer.alloc(8);
  getOption(fd, IPPROTO_TCP, TCP_INFO, info);
  return info[0] === ESTABLISHED;
});
writeSync(1, `${admitted.length}\n`);
