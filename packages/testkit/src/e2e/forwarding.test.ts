import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once, type EventEmitter } from 'node:events';
import { connect, type Socket } from 'node:net';
import process from 'node:process';
import { test } from 'node:test';
import { DEVICE, GATE, Household, STRANGER } from '../household.ts';
import { inNamespace } from '../in-namespace.ts';
import { Namespace, namespacesAvailable } from '../namespace.ts';
import { Sshd } from '../sshd.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';
const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** How long an answer may take before there is none. */
const PATIENCE_MS = 1500;

/** The gate's own addresses on the network behind it, and the host there. */
const INNER = { gate: { 4: '10.78.0.1', 6: 'fd78::1' }, host: { 4: '10.78.0.2', 6: 'fd78::2' } } as const;

const SERVICES = `
[services.web]
ports = ["tcp/8443", "udp/8443"]
forward = ["${INNER.host[4]}:443", "[${INNER.host[6]}]:443"]
seconds = 600
max_seconds = 600
protect = true

[services.ssh]
ports = ["tcp/22"]
forward = "${INNER.host[4]}"
masquerade = true
single_use = true
protect = true
`;

/** Greets with the address that it sees, and sends back what it gets, on tcp/443 and udp/443. */
const SERVER = `
const seen = (address) => 'hello ' + address.replace('::ffff:', '');
require('net').createServer((socket) => {
  socket.on('error', () => socket.destroy());
  socket.write(seen(socket.remoteAddress));
  socket.pipe(socket);
}).listen(443, '::');
const udp = require('dgram').createSocket('udp6');
udp.on('message', (_, { address, port }) => udp.send(seen(address), port, address));
udp.bind(443, '::', () => console.log('up'));
`;

interface Behind extends AsyncDisposable {
  readonly host: Namespace;
  readonly sshd: Sshd;
}

async function behind(house: Household): Promise<Behind> {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(new Namespace('behind'));
  const both = (of: Readonly<Record<4 | 6, string>>): string[] => [`${of[4]}/24`, `${of[6]}/64`];
  house.gateSide.connect(host, both(INNER.gate), both(INNER.host));
  house.gateSide.run('sysctl', ['-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
  host.run('ip', ['route', 'add', 'default', 'via', INNER.gate[4]]);
  host.run('ip', ['-6', 'route', 'add', 'default', 'via', INNER.gate[6]]);
  const server = host.spawn(process.execPath, ['-e', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (server.stdout === null) throw new Error('no output of the server');
  await once(server.stdout, 'data');
  const sshd = stack.use(await Sshd.start(host));
  const kept = stack.move();
  return { host, sshd, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** What a socket hears next; undefined when it is nothing. */
async function next(socket: EventEmitter, event: string): Promise<string | undefined> {
  const abort = new AbortController();
  const timer = setTimeout(() => {
    abort.abort();
  }, PATIENCE_MS);
  try {
    const [data] = (await once(socket, event, { signal: abort.signal })) as [Buffer];
    return data.toString();
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

/** Connects from an address of the world to the gate; the connection and its greeting, or undefined when nobody answered. */
async function dial(
  house: Household,
  port: number,
  from: string,
): Promise<{ socket: Socket; greeting: string } | undefined> {
  const host = from.includes(':') ? GATE[6] : GATE[4];
  // In there until it is connected: node makes the socket later.
  return await inNamespace(house.world, async () => {
    const socket = connect({ host, port, localAddress: from });
    socket.on('error', () => socket.destroy());
    const heard = await next(socket, 'data');
    if (heard !== undefined) return { socket, greeting: heard };
    socket.destroy();
    return undefined;
  });
}

/** The same without keeping the connection. */
async function greeting(house: Household, port: number, from: string): Promise<string | undefined> {
  const dialled = await dial(house, port, from);
  dialled?.socket.destroy();
  return dialled?.greeting;
}

async function udpGreeting(house: Household, from: string): Promise<string | undefined> {
  const socket = createSocket({ type: 'udp4', lookup: (host, _options, done) => done(null, host, 4) });
  try {
    await inNamespace(house.world, () => Promise.resolve(socket.bind(0, from)));
    socket.send('x', 8443, GATE[4]);
    return await next(socket, 'message');
  } finally {
    socket.close();
  }
}

async function answers(socket: Socket): Promise<boolean> {
  socket.write('still there?');
  return (await next(socket, 'data')) !== undefined;
}

test(
  'a service behind the gate: who knocks is led there, over both families, TCP and UDP; nobody else',
  { skip, timeout: 180_000 },
  async (context) => {
    await using house = await Household.build({ services: SERVICES });
    await using inner = await behind(house);
    house.join();
    const knock = async (...args: string[]): Promise<{ code: number; err: string }> =>
      house.posternLater('knock', 'demo', ...args);
    const grants = (): { id: string; service: string; ports: string[]; target?: string }[] =>
      (
        house.gate.json('grant', 'list') as {
          grants: { id: string; service: string; ports: string[]; target?: string }[];
        }
      ).grants;

    await context.test('before a knock there is silence', async () => {
      assert.equal(await greeting(house, 8443, DEVICE[4]), undefined);
      assert.equal(await greeting(house, 8443, DEVICE[6]), undefined);
      assert.equal(await udpGreeting(house, DEVICE[4]), undefined);
    });

    let live: Socket | undefined;
    await context.test('after it the device is led, a stranger is not, and the list says where', async () => {
      for (const family of [4, 6] as const) {
        const { code, err } = await knock(`-${String(family)}`, 'web');
        assert.equal(code, 0, err);
        assert.equal(await greeting(house, 8443, DEVICE[family]), `hello ${DEVICE[family]}`);
        assert.equal(await greeting(house, 8443, STRANGER[family]), undefined);
      }
      assert.equal(await udpGreeting(house, DEVICE[4]), `hello ${DEVICE[4]}`);
      assert.equal(await udpGreeting(house, STRANGER[4]), undefined);
      assert.deepEqual(
        grants()
          .map(({ ports, target }) => `${ports.join(' ')} at ${target ?? ''}`)
          .sort(),
        [`tcp/8443 udp/8443 at ${INNER.host[4]}:443`, `tcp/8443 udp/8443 at [${INNER.host[6]}]:443`],
      );
      live = (await dial(house, 8443, DEVICE[4]))?.socket;
      assert.ok(live);
    });

    await context.test('rules that somebody flushed are back, and lead on', async () => {
      house.gateSide.run('nft', ['flush', 'ruleset']);
      const deadline = Date.now() + 20_000;
      while (!house.gate.log.includes('they are back') && Date.now() < deadline) await sleep(50);
      assert.equal(await greeting(house, 8443, DEVICE[4]), `hello ${DEVICE[4]}`);
      assert.equal(await greeting(house, 8443, DEVICE[6]), `hello ${DEVICE[6]}`);
      assert.equal(await greeting(house, 8443, STRANGER[4]), undefined);
    });

    await context.test('a grant that is ended leads nobody any more, and what began lives on', async () => {
      for (const { id } of grants()) assert.equal(house.gate.command('grant', 'end', id).code, 0);
      assert.equal(await greeting(house, 8443, DEVICE[4]), undefined);
      assert.equal(await greeting(house, 8443, DEVICE[6]), undefined);
      assert.ok(live !== undefined && (await answers(live)));
      live.destroy();
      assert.doesNotMatch(house.gateSide.run('nft', ['list', 'table', 'inet', 'postern']), / : [0-9a-f.:]+ \. 443/);
    });

    await context.test(
      'a single connection of real ssh, to a host that sees the gate; and not a second one',
      async () => {
        const ssh = (): Promise<{ code: number; out: string }> => {
          const child = house.world.spawn(
            'ssh',
            [...inner.sshd.clientArguments, '-b', DEVICE[4], GATE[4], 'echo $SSH_CLIENT'],
            { stdio: ['ignore', 'pipe', 'ignore'] },
          );
          let out = '';
          child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
          return new Promise((resolve) =>
            child.once('close', (code) => {
              resolve({ code: code ?? -1, out });
            }),
          );
        };
        const { code, err } = await knock('-4', 'ssh');
        assert.equal(code, 0, err);
        const first = await ssh();
        assert.equal(first.code, 0);
        assert.match(first.out, new RegExp(`^${INNER.gate[4].replaceAll('.', '\\.')} `));
        assert.notEqual((await ssh()).code, 0);
        assert.deepEqual(grants(), []);
      },
    );

    await context.test('by a family for which it has no address the device is not permitted', async () => {
      const { code, err } = await knock('-6', 'ssh');
      assert.equal(code, 4);
      assert.match(err, /not permitted/);
      assert.deepEqual(grants(), []);
    });

    await context.test(
      'grants of a daemon that was killed lead on until they end, not longer; and the next adopts them',
      async () => {
        assert.equal((await knock('-4', 'web', '--seconds', '12')).code, 0);
        const until = Date.now() + 12_000;
        await house.gate.stop('SIGKILL');
        assert.equal(await greeting(house, 8443, DEVICE[4]), `hello ${DEVICE[4]}`);
        await house.gate.start();
        assert.deepEqual(
          grants().map(({ service, target }) => `${service} at ${target ?? ''}`),
          [`web at ${INNER.host[4]}:443`],
        );
        await house.gate.stop('SIGKILL');
        await sleep(Math.max(0, until + 1000 - Date.now()));
        assert.equal(await greeting(house, 8443, DEVICE[4]), undefined);
      },
    );
  },
);
