/** A gate that opens one port to fwknop's packets, in a namespace of its own before a world of many addresses. */
import { randomBytes, randomInt } from 'node:crypto';
import { parseAddress } from '@postern/protocol';
import { sealFwknop } from '@postern/protocol/fwknop';
import { FwknopClient } from '../fwknop-client.ts';
import { startFwknopServer, type FwknopServer, type FwknopServerKind } from '../fwknop-server.ts';
import { Namespace } from '../namespace.ts';
import { KNOCK_PORT, SERVICE_PORT, type Contender, type ContenderName } from './arena/contender.ts';
import { installedGate } from './arena/installed-gate.ts';
import { startService } from './arena/service.ts';
import { joinWorld, serverIn, sourceIn } from './arena/sources.ts';

/** A packet for the gate. */
export interface FwknopRequest {
  readonly from: string;
  readonly gate: string;
  /** The text that is sent to port 62201. */
  readonly packet: string;
}

interface Keys {
  readonly key: string;
  readonly hmac: string;
}

const CONTENDER: Readonly<Record<FwknopServerKind, ContenderName>> = {
  posternd: 'fwknop',
  fwknopd: 'fwknopd',
  'fwknopd-udp': 'fwknopd-udp',
};

/** One gate; everything of it ends with it. */
export class FwknopGate implements AsyncDisposable {
  server: FwknopServer;
  /** Starts another server on the same files. */
  readonly #begin: () => Promise<FwknopServer>;
  /** `10.96` of a /16 network: the gate is its `.0.1`. */
  readonly #network: string;
  readonly #keys: readonly Keys[];
  readonly #client: FwknopClient;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    network: string,
    keys: readonly Keys[],
    client: FwknopClient,
    server: FwknopServer,
    begin: () => Promise<FwknopServer>,
    stack: AsyncDisposableStack,
  ) {
    this.server = server;
    this.#begin = begin;
    this.#network = network;
    this.#keys = keys;
    this.#client = client;
    this.#stack = stack;
  }

  /** Starts a server with so many stanzas in a network where the world gets `sources` addresses. */
  static async start(
    kind: FwknopServerKind,
    world: Namespace,
    network: string,
    { stanzas, sources }: { readonly stanzas: number; readonly sources: number },
  ): Promise<FwknopGate> {
    await using stack = new AsyncDisposableStack();
    const namespace = stack.use(new Namespace('gate'));
    const client = stack.use(new FwknopClient(world));
    const here = joinWorld(namespace, world, network, sources);
    stack.use(await startService(namespace));
    const keys = Array.from({ length: stanzas }, () => ({
      key: randomBytes(32).toString('base64'),
      hmac: randomBytes(64).toString('base64'),
    }));
    const access = keys.map(
      ({ key, hmac }) =>
        `SOURCE ANY\nKEY_BASE64 ${key}\nHMAC_KEY_BASE64 ${hmac}\nOPEN_PORTS tcp/${String(SERVICE_PORT)}\nREQUIRE_SOURCE_ADDRESS Y\n`,
    );
    const hidden = [SERVICE_PORT, SERVICE_PORT] as const;
    const program = kind === 'posternd' ? installedGate() : undefined;
    const begin = (hide: boolean): Promise<FwknopServer> =>
      startFwknopServer(kind, { namespace, device: here, access: access.join('\n'), hidden, hide, program });
    return new FwknopGate(network, keys, client, await begin(true), () => begin(false), stack.move());
  }

  get address(): string {
    return serverIn(this.#network);
  }

  /** Address number `index` of the world. */
  source(index: number): string {
    return sourceIn(this.#network, index);
  }

  /** What that address sends, sealed by our own code and not by the real client, which takes a process for each. */
  sealed(index: number): FwknopRequest {
    const { key, hmac } = this.#keysFor(index);
    const from = this.source(index);
    const packet = sealFwknop({
      message: {
        kind: 'access',
        random: String(10 ** 15 + randomInt(9 * 10 ** 13)),
        user: 'alice',
        time: Math.floor(Date.now() / 1000),
        version: '3.0.0',
        source: parseAddress(from),
        ports: [{ protocol: 'tcp', port: SERVICE_PORT }],
        timeout: 0,
      },
      digest: 'sha256',
      mode: 'cbc',
      key: Buffer.from(key, 'base64'),
      hmac: { digest: 'sha256', key: Buffer.from(hmac, 'base64') },
      salt: randomBytes(8),
    });
    return { from, gate: this.address, packet: Buffer.from(packet).toString('latin1') };
  }

  /** It as a contender. */
  contender(kind: FwknopServerKind): Contender {
    return {
      name: CONTENDER[kind],
      gate: this.address,
      network: this.#network,
      // It sniffs every 100 ms.
      looks: kind === 'fwknopd' ? 100 : 0,
      knock: (index) => {
        const { from, gate, packet } = this.sealed(index);
        const payload = Buffer.from(packet, 'latin1').toString('base64');
        return { from, gate, way: [{ protocol: 'udp', port: KNOCK_PORT, payload }], rest: 0 };
      },
      cpu: () => this.server.cpu(),
      memory: () => this.server.memory(),
      close: () => undefined,
      daemon: this,
    };
  }

  /** What that address sends: a packet of the real client for the stanza of its turn, good for two minutes before and after. */
  async request(index: number): Promise<FwknopRequest> {
    const { key, hmac } = this.#keysFor(index);
    const from = this.source(index);
    const keys = ['--key-base64-rijndael', key, '--key-base64-hmac', hmac];
    const what = ['-A', `tcp/${String(SERVICE_PORT)}`, '-a', from, '-D', this.address];
    const packet = await this.#client.packet('--no-rc-file', '--no-save-args', ...what, ...keys);
    return { from, gate: this.address, packet };
  }

  /** Ends the server. */
  async stop(): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }

  /** Starts it again. */
  async start(): Promise<void> {
    this.server = await this.#begin();
  }

  #keysFor(index: number): Keys {
    // Not one stanza after the other: a server that begins with the first would be the faster the earlier.
    return this.#keys[(index * 617) % this.#keys.length] ?? { key: '', hmac: '' };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#stack.disposeAsync();
  }
}
