/** A gate, a host behind it and a world of many addresses, for fwknop's servers and clients, with a service behind every port that they open. */
import { createServer, type Server } from 'node:net';
import { FWKNOP_PORTS, FWKNOP_SECONDS, type FwknopPlaces } from './fwknop-cell.ts';
import { inNamespace } from './in-namespace.ts';
import { Namespace } from './namespace.ts';

const INNER = '10.95.0.2';

/** Namespaces and services; all of it ends with it. */
export class FwknopGround implements Disposable {
  /** Where clients send to. */
  readonly places: FwknopPlaces = { gate: '10.94.0.1', inner: INNER };
  /** Asks for nothing. */
  readonly stranger = '10.94.0.66';
  readonly gateSide: Namespace;
  readonly world: Namespace;
  /** The gate's device towards the world. */
  device = '';
  readonly #inner: Namespace;
  readonly #services: Server[] = [];
  readonly #stack = new DisposableStack();

  private constructor() {
    this.gateSide = this.#stack.use(new Namespace('gate'));
    this.world = this.#stack.use(new Namespace('world'));
    this.#inner = this.#stack.use(new Namespace('inner'));
  }

  /** With `count` sources. */
  static async build(count: number): Promise<FwknopGround> {
    const self = new FwknopGround();
    try {
      await self.#lay(count);
      return self;
    } catch (error) {
      self[Symbol.dispose]();
      throw error;
    }
  }

  /** Address of the world number `index`. */
  source(index: number): string {
    return `10.94.${String(1 + Math.floor(index / 200))}.${String(1 + (index % 200))}`;
  }

  async #lay(count: number): Promise<void> {
    const { gateSide, world } = this;
    const { here, there } = gateSide.connect(world, [`${this.places.gate}/16`], []);
    this.device = here;
    const addresses = ['10.94.0.2', this.stranger, ...Array.from({ length: count }, (_, i) => this.source(i))];
    world.run('ip', ['-batch', '-'], addresses.map((it) => `address add ${it}/16 dev ${there}\n`).join(''));
    gateSide.connect(this.#inner, ['10.95.0.1/24'], [`${INNER}/24`]);
    this.#inner.run('ip', ['route', 'add', 'default', 'via', '10.95.0.1']);
    gateSide.run('sysctl', ['-q', '-w', 'net.ipv4.ip_forward=1']);
    // What a command opens is the test's own: neither server knows of it.
    const set = 'set open { type ipv4_addr; flags timeout; }';
    const hidden = `tcp dport ${String(FWKNOP_PORTS.command)} ct state new ip saddr != @open drop`;
    const chain = `chain input { type filter hook input priority -10; ${hidden}; }`;
    gateSide.run('nft', ['-f', '-'], `table ip commanded { ${set}; ${chain}; }\n`);
    await inNamespace(gateSide, async () => {
      await this.#serve(FWKNOP_PORTS.access, 'gate');
      await this.#serve(FWKNOP_PORTS.local, 'local');
      await this.#serve(FWKNOP_PORTS.command, 'command');
      // The services that answer where packets of the transports tcp and http are sent to.
      await this.#serve(62201, '');
      const controller = createServer((socket) => {
        this.#open((socket.remotePort ?? 0) - 20_000);
        // The same command, and so the same port, may come again.
        socket.resetAndDestroy();
      });
      await this.#listen(controller, FWKNOP_PORTS.controller, '127.0.0.1');
    });
    await inNamespace(this.#inner, () => this.#serve(FWKNOP_PORTS.access, 'inner'));
  }

  /** Opens the port for commands to a source. */
  #open(index: number): void {
    const element = `{ ${this.source(index)} timeout ${String(FWKNOP_SECONDS)}s }`;
    this.gateSide.spawn('nft', ['add', 'element', 'ip', 'commanded', 'open', element], { stdio: 'ignore' });
  }

  async #serve(port: number, banner: string): Promise<void> {
    const service = createServer((socket) => {
      socket.on('error', () => undefined);
      if (banner !== '') socket.end(banner);
      else socket.once('data', () => socket.destroy());
    });
    await this.#listen(service, port, '0.0.0.0');
  }

  async #listen(server: Server, port: number, host: string): Promise<void> {
    this.#services.push(server);
    await new Promise<void>((done) => server.listen(port, host, done));
  }

  [Symbol.dispose](): void {
    for (const service of this.#services) service.close();
    this.#stack.dispose();
  }
}
