import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { familyOf } from '@postern/protocol';
import { parseProcAddress } from '../system/proc-net.ts';
import type { Flow } from './port.ts';

/**
 * States in which a connection lives on (include/net/tcp_states.h): ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING.
 * Not SYN_RECV: who is only knocking at a service is no connection yet. Not TIME_WAIT: nothing is left to be said.
 */
const LIVE = new Set([0x01, 0x04, 0x05, 0x08, 0x09, 0x0b]);

/** `sl: local remote state …`; a port is a plain number. */
const LINE =
  /^\s*\d+:\s+(?:[0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})\s+([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})\s+([0-9A-F]{2})\s/;

/**
 * Finds the live TCP connections of these local ports (of all when undefined) in the text of /proc/net/tcp or /proc/net/tcp6. Total: a line of another form
 * is left out. An IPv4 connection to an IPv6 socket stands in tcp6 as ::ffff:a.b.c.d and counts as IPv4, as its packets are.
 */
export function parseFlows(text: string, ports?: ReadonlySet<number>): Flow[] {
  const flows: Flow[] = [];
  for (const line of text.split('\n')) {
    const [, local = '', address = '', remote = '', state = ''] = LINE.exec(line) ?? [];
    const localPort = Number.parseInt(local, 16);
    if (!LIVE.has(Number.parseInt(state, 16)) || ports?.has(localPort) === false) continue;
    const remoteAddress = parseProcAddress(address);
    if (remoteAddress === undefined) continue;
    const remotePort = Number.parseInt(remote, 16);
    flows.push({ family: familyOf(remoteAddress), protocol: 'tcp', remoteAddress, remotePort, localPort });
  }
  return flows;
}

/** Where the kernel lists them, in this process's network namespace. */
const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'] as const;

/** Bytes that are read at once: the kernel gives a page at most. */
const PIECE = 4096;

/**
 * The live TCP connections of these local ports, of all when undefined, in this process's network namespace. A file that is missing (no
 * IPv6) holds none.
 */
export function readFlows(ports?: readonly number[]): Flow[] {
  return [...flowsInPieces(ports)].flat();
}

/** The same, some dozens at a time: to find all of a busy host takes a tenth of a second. */
export function* flowsInPieces(
  ports?: readonly number[],
  tables: readonly string[] = TABLES,
): Generator<Flow[], undefined, undefined> {
  const wanted = ports && new Set(ports);
  for (const path of tables) if (existsSync(path)) yield* inPieces(path, wanted);
}

function* inPieces(path: string, wanted: ReadonlySet<number> | undefined): Generator<Flow[], undefined, undefined> {
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(PIECE);
    let begun = '';
    for (let size = readSync(file, buffer); size > 0; size = readSync(file, buffer)) {
      const text = begun + buffer.toString('latin1', 0, size);
      const whole = text.lastIndexOf('\n') + 1;
      begun = text.slice(whole);
      yield parseFlows(text.slice(0, whole), wanted);
    }
    yield parseFlows(begun, wanted);
  } finally {
    closeSync(file);
  }
}
