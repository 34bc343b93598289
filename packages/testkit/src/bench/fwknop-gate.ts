/** A gate that opens one port to fwknop's packets, in a namespace of its own before a world of many addresses. */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { FwknopClient } from '../fwknop-client.ts';
import { startFwknopServer, type FwknopServer, type FwknopServerKind } from '../fwknop-server.ts';
import { inNamespace } from '../in-namespace.ts';
import { Namespace } from '../namespace.ts';

/** The port that is opened. */
export const SERVICE_PORT = 8022;

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

/** One gate; everything of it ends with it. */
export class FwknopGate implements AsyncDisposable {
  readonly server: FwknopServer;
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
    stack: AsyncDisposableStack,
  ) {
    this.server = server;
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
    const { here, there } = namespace.connect(world, [`${network}.0.1/16`], []);
    const addresses = Array.from(
      { length: sources },
      (_, i) => `address add ${sourceIn(network, i)}/16 dev ${there}\n`,
    );
    world.run('ip', ['-batch', '-'], addresses.join(''));
    const service = stack.adopt(
      createServer((socket) => socket.destroy()),
      (it) => void it.close(),
    );
    await inNamespace(namespace, () => new Promise<void>((done) => service.listen(SERVICE_PORT, '0.0.0.0', done)));
    const keys = Array.from({ length: stanzas }, () => ({
      key: randomBytes(32).toString('base64'),
      hmac: randomBytes(64).toString('base64'),
    }));
    const access = keys.map(
      ({ key, hmac }) =>
        `SOURCE ANY\nKEY_BASE64 ${key}\nHMAC_KEY_BASE64 ${hmac}\nOPEN_PORTS tcp/${String(SERVICE_PORT)}\nREQUIRE_SOURCE_ADDRESS Y\n`,
    );
    const hidden = [SERVICE_PORT, SERVICE_PORT] as const;
    const server = await startFwknopServer(kind, { namespace, device: here, access: access.join('\n'), hidden });
    stack.use(server);
    return new FwknopGate(network, keys, client, server, stack.move());
  }

  get address(): string {
    return `${this.#network}.0.1`;
  }

  /** Address number `index` of the world. */
  source(index: number): string {
    return sourceIn(this.#network, index);
  }

  /** What that address sends: a packet of the real client for the stanza of its turn, good for two minutes before and after. */
  async request(index: number): Promise<FwknopRequest> {
    // Not one stanza after the other: a server that begins with the first would be the faster the earlier.
    const { key, hmac } = this.#keys[(index * 617) % this.#keys.length] ?? { key: '', hmac: '' };
    const from = this.source(index);
    const keys = ['--key-base64-rijndael', key, '--key-base64-hmac', hmac];
    const what = ['-A', `tcp/${String(SERVICE_PORT)}`, '-a', from, '-D', this.address];
    const packet = await this.#client.packet('--no-rc-file', '--no-save-args', ...what, ...keys);
    return { from, gate: this.address, packet };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function sourceIn(network: string, index: number): string {
  return `${network}.${String(1 + (index >> 7))}.${String(1 + (index & 127))}`;
}
