/** A TCP connection in place of standard input and output. */
import { connect, type Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { formatAddress } from '@postern/protocol';

/** Connects to the first of the addresses (16 bytes each) that answers within `patience` milliseconds each; else says why none did. */
export async function connectFirst(
  addresses: readonly Uint8Array[],
  port: number,
  patience: number,
): Promise<Socket | string> {
  const reasons: string[] = [];
  for (const address of addresses) {
    const host = formatAddress(address);
    const connected = await tryConnect(host, port, patience);
    if (typeof connected !== 'string') return connected;
    reasons.push(`${host} (${connected})`);
  }
  return reasons.join(', ');
}

function tryConnect(host: string, port: number, patience: number): Promise<Socket | string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
    const fail = (reason: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reason);
    };
    const timer = setTimeout(() => {
      fail('no answer');
    }, patience);
    socket.once('error', ({ code, message }: NodeJS.ErrnoException) => {
      fail(code ?? message);
    });
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}

/** Carries bytes both ways until the far end has said all; the near end may end first. @throws errors of the connection as they come */
export async function relay(socket: Socket, input: Readable, output: Writable): Promise<void> {
  input.pipe(socket);
  socket.pipe(output, { end: false });
  try {
    await finished(socket, { writable: false });
  } finally {
    input.destroy();
    socket.destroy();
  }
}
