/** The contract's stage with the kernel's own firewall: a gate and clients in two network namespaces joined by a veth pair. */
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { createSocket, type Socket } from 'node:dgram';
import { createServer, type Server, type Socket as Peer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import koffi from 'koffi';
import { familyOf, parseAddress } from '@postern/protocol';
import { Namespace } from '@postern/testkit';
import {
  bindSocket,
  close,
  errnoName,
  getOption,
  poll,
  POLL,
  receive,
  send,
  setOption,
  SOCKET,
  socket,
  socketName,
} from '../system/libc.ts';
import type { Connection, Stage } from './contract.fixture.ts';
import { openNftables } from './nftables.ts';
import type { Endpoint, Firewall, Target } from './port.ts';

const libc = koffi.load(null);
const setns = libc.func('int setns(int, int)') as (fd: number, type: number) => number;
const connect = libc.func('int connect(int, void *, uint32)') as (
  fd: number,
  address: Uint8Array,
  size: number,
) => number;

const CLONE_NEWNET = 0x40000000;
const SOCK_STREAM = 1;
const SOCK_RAW = 3;
const SO_ERROR = 4;
const SO_LINGER = 13;
const POLL_OUT = 4;
const EINPROGRESS = 115;
/** How long a connection may take here before it counts as not answered: a veth pair takes microseconds. */
const SILENCE_MS = 300;

/** Runs `code` with this thread in `namespace`: sockets that it makes belong there for good. */
export function within<T>(namespace: Namespace, code: () => T): T {
  const own = openSync('/proc/thread-self/ns/net', 'r');
  const there = openSync(`/run/netns/${namespace.name}`, 'r');
  try {
    if (setns(there, CLONE_NEWNET) !== 0) throw new Error(`cannot enter ${namespace.name}`);
    return code();
  } finally {
    if (setns(own, CLONE_NEWNET) !== 0) process.abort();
    closeSync(there);
    closeSync(own);
  }
}

/** The 16 bytes of an address that must be one. */
export function bytesOf(text: string): Uint8Array {
  const bytes = parseAddress(text);
  if (bytes === undefined) throw new TypeError(`not an address: ${text}`);
  return bytes;
}

function socketAddress(address: Uint8Array, port: number): Uint8Array {
  const family = familyOf(address);
  const bytes = Buffer.alloc(family === 4 ? 16 : 28);
  bytes.writeUInt16LE(family === 4 ? SOCKET.AF_INET : SOCKET.AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(family === 4 ? address.subarray(12) : address, family === 4 ? 4 : 8);
  return bytes;
}

async function readable(fd: number, events: number, milliseconds: number): Promise<boolean> {
  const fds = Buffer.alloc(8);
  for (let waited = 0; ; waited += 5) {
    fds.writeInt32LE(fd, 0);
    fds.writeInt16LE(events, 4);
    if (poll(fds, 0) > 0) return true;
    if (waited >= milliseconds) return false;
    await sleep(5);
  }
}

function failure(what: string, result: number): Error {
  return new Error(`${what}: ${errnoName(result)}, which is not silence`);
}

/** A client's socket. It resets on close, so that a test leaves no connection half open. */
export class Client implements Connection {
  readonly port: number;
  readonly #fd: number;
  readonly #living: Set<Client>;

  constructor(fd: number, port: number, living: Set<Client>) {
    this.#fd = fd;
    this.port = port;
    this.#living = living;
    living.add(this);
  }

  /** Sends a word: "reset" makes the TCP services end the connection with a reset. */
  says(word: string): void {
    send(this.#fd, Buffer.from(word), SOCKET.MSG_NOSIGNAL);
  }

  async talks(): Promise<boolean> {
    this.says('ping');
    if (!(await readable(this.#fd, POLL.in, SILENCE_MS))) return false;
    return receive(this.#fd, Buffer.alloc(64), SOCKET.MSG_DONTWAIT) > 0;
  }

  [Symbol.dispose](): void {
    if (this.#living.delete(this)) close(this.#fd);
  }
}

/** Where everything is. */
export const SCENE = {
  gate: { 4: '10.77.0.1', 6: 'fd77::1' },
  clients: { 4: ['10.77.0.2', '10.77.0.3', '10.77.1.2'], 6: ['fd77::2', 'fd77::3', 'fd77::1:2'] },
} as const;

/** What stands behind the gate, once it is asked for. */
export const BEHIND = {
  gate: { 4: '10.78.0.1', 6: 'fd78::1' },
  host: { 4: '10.78.0.2', 6: 'fd78::2' },
  /** Where its services, one of TCP and one of UDP, listen. */
  port: 2201,
  /** The gate's endpoints that lead there. */
  endpoint: 2301,
} as const;

/** The stage; `gate` and `client` are its namespaces. */
export class NftablesStage implements Stage {
  readonly gate: Namespace = new Namespace('fwgate');
  readonly client: Namespace = new Namespace('fwclient');
  readonly devices: { readonly here: string; readonly there: string };
  readonly firewall: Firewall;
  readonly clients: Stage['clients'] = {
    4: [bytesOf(SCENE.clients[4][0]), bytesOf(SCENE.clients[4][1]), bytesOf(SCENE.clients[4][2])],
    6: [bytesOf(SCENE.clients[6][0]), bytesOf(SCENE.clients[6][1]), bytesOf(SCENE.clients[6][2])],
  };
  readonly services: Stage['services'] = {
    tcp: [
      { protocol: 'tcp', port: 2201 },
      { protocol: 'tcp', port: 2202 },
    ],
    udp: [
      { protocol: 'udp', port: 2201 },
      { protocol: 'udp', port: 2203 },
    ],
  };
  /** Connections and datagrams that reached a service, by "tcp/2201". */
  readonly reached: Map<string, number> = new Map<string, number>();
  /** The same of what stands behind the gate, one by one: "tcp/2201 from 10.77.0.2". */
  readonly reachedBehind: string[] = [];
  #behind: Namespace | undefined;
  readonly #servers: (Server | Socket)[] = [];
  readonly #living = new Set<Client>();
  readonly #peers = new Set<Peer>();

  constructor() {
    const own4 = `${SCENE.gate[4]}/16`;
    const own6 = `${SCENE.gate[6]}/64`;
    const theirs = [...SCENE.clients[4].map((a) => `${a}/16`), ...SCENE.clients[6].map((a) => `${a}/64`)];
    this.devices = this.gate.connect(this.client, [own4, own6], theirs);
    for (const { port } of this.services.tcp) this.#serveTcp(port);
    for (const { port } of this.services.udp) this.serveUdp(port);
    this.firewall = this.reopen();
  }

  reopen(): Firewall {
    return within(this.gate, () => this.#moved(openNftables()));
  }

  behind(): ReturnType<Stage['behind']> {
    if (this.#behind === undefined) {
      const host = (this.#behind = new Namespace('fwbehind'));
      const both = (of: Readonly<Record<4 | 6, string>>): string[] => [`${of[4]}/16`, `${of[6]}/64`];
      this.gate.connect(host, both(BEHIND.gate), both(BEHIND.host));
      this.gate.run('sysctl', ['-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
      host.run('ip', ['route', 'add', 'default', 'via', BEHIND.gate[4]]);
      host.run('ip', ['-6', 'route', 'add', 'default', 'via', BEHIND.gate[6]]);
      this.#serveTcp(BEHIND.port, host);
      this.serveUdp(BEHIND.port, 6, host);
    }
    const target = (family: 4 | 6): Target => ({
      address: bytesOf(BEHIND.host[family]),
      port: BEHIND.port,
      masquerade: false,
    });
    return {
      targets: { 4: target(4), 6: target(6) },
      tcp: { protocol: 'tcp', port: BEHIND.endpoint },
      udp: { protocol: 'udp', port: BEHIND.endpoint },
    };
  }

  /** The namespace of what stands behind the gate. */
  get behindHost(): Namespace {
    this.behind();
    if (this.#behind === undefined) throw new Error('nothing stands behind the gate');
    return this.#behind;
  }

  async connect(from: Uint8Array, to: Endpoint, port = 0, patience: number = SILENCE_MS): Promise<Client | undefined> {
    return this.reach(from, to, bytesOf(SCENE.gate[familyOf(from)]), port, patience);
  }

  /** As `connect`, to any address. */
  async reach(
    from: Uint8Array,
    to: Endpoint,
    destination: Uint8Array,
    port = 0,
    patience: number = SILENCE_MS,
  ): Promise<Client | undefined> {
    const fd = this.#open(from, to, destination, port);
    const name = Buffer.alloc(28);
    socketName(fd, name);
    const client = new Client(fd, name.readUInt16BE(2), this.#living);
    if (to.protocol === 'udp') {
      send(fd, Buffer.from('ping'), SOCKET.MSG_NOSIGNAL);
      if (!(await readable(fd, POLL.in, patience))) {
        client[Symbol.dispose]();
        return undefined;
      }
      const size = receive(fd, Buffer.alloc(64), SOCKET.MSG_DONTWAIT);
      if (size < 0) throw failure('udp', size);
      return client;
    }
    if (!(await readable(fd, POLL_OUT, patience))) {
      client[Symbol.dispose]();
      return undefined;
    }
    const error = Buffer.alloc(4);
    getOption(fd, SOCKET.SOL_SOCKET, SO_ERROR, error);
    if (error.readInt32LE(0) !== 0) throw failure('tcp', -error.readInt32LE(0));
    return client;
  }

  wait(milliseconds: number): Promise<void> {
    return sleep(milliseconds, undefined);
  }

  /** Serves UDP at a port of the gate, with family 6 for both families: every datagram comes back, unless it says "quiet". */
  serveUdp(port: number, family: 4 | 6 = 6, where: Namespace = this.gate): void {
    const server = createSocket({
      type: `udp${family}`,
      // The usual look-up is asynchronous, also for an address, and this thread would have left the namespace by then.
      lookup: (host, _options, done) => {
        done(null, host, family);
      },
    });
    within(where, () => {
      server.bind(port, family === 4 ? '0.0.0.0' : '::');
    });
    server.on('message', (message, { address, port: back }) => {
      this.#count(`udp/${port}`, where, address);
      if (message.toString() !== 'quiet') server.send(message, back, address);
    });
    this.#servers.push(server);
  }

  /** Sends frames as they are out of the client's device. */
  sendFrames(frames: readonly Uint8Array[]): void {
    const address = Buffer.alloc(20);
    address.writeUInt16LE(SOCKET.AF_PACKET, 0);
    address.writeInt32LE(this.link(this.client, this.devices.there).index, 4);
    const fd = within(this.client, () => socket(SOCKET.AF_PACKET, SOCK_RAW | SOCKET.SOCK_CLOEXEC, 0));
    const bound = bindSocket(fd, address);
    if (bound < 0) throw failure('bind', bound);
    for (const frame of frames) {
      const sent = send(fd, frame, 0);
      if (sent < 0) throw failure('send', sent);
    }
    close(fd);
  }

  /** Hardware addresses of a frame from the client's device to the gate's. */
  get macs(): Uint8Array {
    return Buffer.concat([this.link(this.gate, this.devices.here).mac, this.link(this.client, this.devices.there).mac]);
  }

  /** Index and hardware address of a device. */
  link(namespace: Namespace, device: string): { index: number; mac: Uint8Array } {
    const [link] = JSON.parse(namespace.run('ip', ['-j', 'link', 'show', device])) as {
      ifindex: number;
      address: string;
    }[];
    if (link === undefined) throw new Error(`no device ${device}`);
    return { index: link.ifindex, mac: Buffer.from(link.address.replaceAll(':', ''), 'hex') };
  }

  /** Leaves the stage as it was at first, but for what conntrack remembers. */
  reset(): void {
    for (const client of [...this.#living]) client[Symbol.dispose]();
    this.firewall.remove();
    // The firewall may have kept their clients' ends from them.
    for (const peer of this.#peers) peer.destroy();
    this.reached.clear();
    this.reachedBehind.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of [...this.#living]) client[Symbol.dispose]();
    this.firewall[Symbol.dispose]();
    for (const peer of this.#peers) peer.destroy();
    for (const server of this.#servers) {
      const closed = once(server, 'close');
      server.close();
      await closed;
    }
    this.#behind?.[Symbol.dispose]();
    this.client[Symbol.dispose]();
    this.gate[Symbol.dispose]();
  }

  #serveTcp(port: number, where: Namespace = this.gate): void {
    const server = createServer((peer) => {
      this.#count(`tcp/${port}`, where, peer.remoteAddress ?? '');
      this.#peers.add(peer);
      peer.on('close', () => this.#peers.delete(peer));
      peer.on('error', () => peer.destroy());
      peer.on('data', (data) => {
        if (data.toString().startsWith('reset')) peer.resetAndDestroy();
        else peer.write(data);
      });
    });
    within(where, () => server.listen({ port, backlog: 511 }));
    this.#servers.push(server);
  }

  #count(service: string, where: Namespace, from: string): void {
    if (where === this.gate) this.reached.set(service, (this.reached.get(service) ?? 0) + 1);
    else this.reachedBehind.push(`${service} from ${from.replace('::ffff:', '')}`);
  }

  #open(from: Uint8Array, to: Endpoint, destination: Uint8Array, port: number): number {
    const domain = familyOf(from) === 4 ? SOCKET.AF_INET : SOCKET.AF_INET6;
    const type = to.protocol === 'tcp' ? SOCK_STREAM : SOCKET.SOCK_DGRAM;
    const fd = within(this.client, () => socket(domain, type | SOCKET.SOCK_NONBLOCK | SOCKET.SOCK_CLOEXEC, 0));
    if (fd < 0) throw failure('socket', fd);
    // Close resets: the port is free for the next connection at once.
    setOption(fd, SOCKET.SOL_SOCKET, SO_LINGER, Buffer.from(Int32Array.of(1, 0).buffer));
    const bound = bindSocket(fd, socketAddress(from, port));
    if (bound < 0) throw failure('bind', bound);
    const address = socketAddress(destination, to.port);
    if (connect(fd, address, address.length) < 0 && koffi.errno() !== EINPROGRESS)
      throw failure('connect', -koffi.errno());
    return fd;
  }

  /** The library opens a socket whenever it runs: let it be in the gate's namespace. */
  #moved(firewall: Firewall): Firewall {
    return {
      present: () => firewall.present(),
      install: (plan) => {
        within(this.gate, () => {
          firewall.install(plan);
        });
      },
      remove: () => {
        within(this.gate, () => {
          firewall.remove();
        });
      },
      apply: (changes) => firewall.apply(changes),
      protect: (endpoints, seconds) => firewall.protect(endpoints, seconds),
      unprotect: (endpoints) => firewall.unprotect(endpoints),
      darken: (exceptions, seconds) => within(this.gate, () => firewall.darken(exceptions, seconds)),
      lighten: () => within(this.gate, () => firewall.lighten()),
      darkness: () => firewall.darkness(),
      seed: (flows, seconds) => firewall.seed(flows, seconds),
      list: () => firewall.list(),
      armed: (places) => firewall.armed(places),
      knocks: () => firewall.knocks(),
      [Symbol.dispose]: () => {
        firewall[Symbol.dispose]();
      },
    };
  }
}
