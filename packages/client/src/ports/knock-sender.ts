/** Knocks at ports, as every operating system lets everybody send them. */
import { createSocket, type Socket } from 'node:dgram';
import { connect } from 'node:net';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { familyOf, formatAddress, type KnockProtocol } from '@postern/protocol';
import { WINDOWS } from '../platform.ts';

/** What sends knocks to one address: a port, so that tests can listen. */
export interface KnockSender extends Disposable {
  /**
   * Sends one packet; resolves when the system has it. Whatever the network answers is no error.
   *
   * @param port - 0 for an echo request
   */
  send(protocol: KnockProtocol, port: number): Promise<void>;
  /** How many packets did not leave, by what the system said (`ENETUNREACH`). */
  readonly troubles: ReadonlyMap<string, number>;
}

/** What an answer of the far end, or of somebody on the way, looks like: the packet has left. */
const ANSWERS = new Set(['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT']);
/** How long to wait for the end of an echo request: until then it has left, and knocks keep their order. Milliseconds. */
const ECHO_MS = 300;

/** Knocks at an address, 16 bytes. */
export function systemSender(address: Uint8Array): KnockSender {
  const host = formatAddress(address);
  const family = familyOf(address);
  const troubles = new Map<string, number>();
  const note = (code: string | undefined): void => {
    if (code !== undefined && !ANSWERS.has(code)) troubles.set(code, (troubles.get(code) ?? 0) + 1);
  };
  let udp: Socket | undefined;
  const open = (): Socket => {
    // One socket for all: an address translation on the way keeps one source. Addresses need no resolver.
    const socket = createSocket({
      type: family === 4 ? 'udp4' : 'udp6',
      lookup: (name, _, found) => {
        found(null, name, family);
      },
    });
    return socket.on('error', () => undefined);
  };
  return {
    troubles,
    async send(protocol, port) {
      if (protocol === 'tcp') note(await sendSyn(host, port));
      else if (protocol === 'udp') note(await sendDatagram((udp ??= open()), host, port));
      else note(await sendEcho(host, family));
    },
    [Symbol.dispose]: () => {
      udp?.close();
    },
  };
}

/** A connection that is given up as soon as it was begun: one SYN, and no second one. */
function sendSyn(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    let trouble: string | undefined;
    const socket = connect({ host, port });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      trouble = error.code;
    });
    // The system call is made before this turn of the loop ends.
    setImmediate(() => {
      socket.destroy();
      setImmediate(() => {
        resolve(trouble);
      });
    });
  });
}

function sendDatagram(socket: Socket, host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    socket.send(new Uint8Array(1), port, host, (error) => {
      resolve(error === null ? undefined : codeOf(error));
    });
  });
}

function codeOf(error: NodeJS.ErrnoException): string | undefined {
  return error.code;
}

/** Echo requests need rights that only `ping` has. It is not waited for longer than the packet needs to leave. */
async function sendEcho(host: string, family: 4 | 6): Promise<string | undefined> {
  const { spawn } = await import('node:child_process');
  const program = process.platform === 'darwin' && family === 6 ? 'ping6' : 'ping';
  const child = spawn(program, [...(WINDOWS ? ['-n', '1'] : ['-n', '-c', '1']), host], { stdio: 'ignore' });
  const ended = new Promise<string | undefined>((resolve) => {
    child.once('exit', () => {
      resolve(undefined);
    });
    child.once('error', ({ code }: NodeJS.ErrnoException) => {
      resolve(code === 'ENOENT' ? `no ${program}` : code);
    });
  });
  const trouble = await Promise.race([ended, sleep(ECHO_MS, undefined, { ref: false })]);
  child.kill();
  return trouble;
}
