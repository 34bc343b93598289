/** Runs a piece of this process's own code in a network namespace: node's sockets are made while it waits, so it stays there until it is done. */
import koffi from 'koffi';
import { closeSync, openSync } from 'node:fs';
import type { Namespace } from './namespace.ts';

const libc = koffi.load('libc.so.6');
const setns = libc.func('int setns(int, int)') as (fd: number, type: number) => number;
const CLONE_NEWNET = 0x40000000;

let inside = false;

/**
 * Runs `code` while this process's main thread is in `namespace`, and comes back when its promise settles: sockets made meanwhile belong
 * there for good. One at a time.
 */
export async function inNamespace<T>(namespace: Namespace, code: () => Promise<T>): Promise<T> {
  if (inside) throw new Error('two visits to namespaces at once');
  const own = openSync('/proc/thread-self/ns/net', 'r');
  const there = openSync(`/run/netns/${namespace.name}`, 'r');
  inside = true;
  try {
    if (setns(there, CLONE_NEWNET) !== 0)
      throw new Error(`cannot enter ${namespace.name}: errno ${String(koffi.errno())}`);
    return await code();
  } finally {
    setns(own, CLONE_NEWNET);
    inside = false;
    closeSync(there);
    closeSync(own);
  }
}
