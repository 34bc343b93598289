import { connect } from 'node:net';
import { formatAddress } from '@postern/protocol';
import { setTimeout as sleep } from 'node:timers/promises';

/** How a port looks from here: it takes connections, says that nobody listens, or says nothing. */
export type PortState = 'open' | 'refused' | 'silent';

/** Milliseconds for one connection at first; each gets half as long again, so that slow ways are served too. */
const FIRST_MS = 250;

/**
 * Connects to a TCP port again and again until it answers, at most `patience` milliseconds. Many short tries: a SYN that came too early is sent again by the
 * system only after a second.
 *
 * @param address - 16 bytes
 */
export async function checkPort(address: Uint8Array, port: number, patience: number): Promise<PortState> {
  const end = performance.now() + patience;
  let state: PortState = 'silent';
  for (let wait = FIRST_MS; performance.now() < end; wait *= 1.5) {
    const began = performance.now();
    state = await tryOnce(formatAddress(address), port, Math.min(wait, end - began));
    if (state === 'open') return state;
    // A refusal comes at once: somebody may still be starting.
    const now = performance.now();
    await sleep(Math.max(0, Math.min(end, began + FIRST_MS) - now));
  }
  return state;
}

function tryOnce(host: string, port: number, wait: number): Promise<PortState> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const timer = setTimeout(() => {
      end('silent');
    }, wait);
    const end = (state: PortState): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(state);
    };
    socket.once('connect', () => {
      end('open');
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      end(code === 'ECONNREFUSED' ? 'refused' : 'silent');
    });
  });
}
