import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import process from 'node:process';
import { test } from 'node:test';
import { PROGRAMS, type Ran } from '../gate-process.ts';
import { DEVICE, GATE, Household, STRANGER } from '../household.ts';
import { inNamespace } from '../in-namespace.ts';
import { Namespace, namespacesAvailable } from '../namespace.ts';
import { Sshd } from '../sshd.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';
const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
const SERVICES = '[services.ssh]\nports = ["tcp/22"]\nseconds = 60\n';
const FAMILIES = [4, 6] as const;
/** A container behind the gate, as a published port's DNAT reaches it. */
const BRIDGE = { 4: '172.30.0.1', 6: 'fd88::1' } as const;
const CONTAINER = { 4: '172.30.0.2', 6: 'fd88::2' } as const;

type Dark = { readonly state: string; readonly allow: readonly string[] } | undefined;

function darkness(house: Household): Dark {
  return (house.gate.json('status') as { dark?: Dark }).dark;
}

/** A program in a namespace that answers at TCP ports. */
async function serve(namespace: Namespace, ...ports: number[]): Promise<Disposable> {
  const code = `
    let left = ${String(ports.length)};
    for (const port of [${ports.join(',')}])
      require('node:net').createServer((s) => s.on('error', () => 0).end('here'))
        .listen(port, '::', () => --left === 0 && console.log('ready'));`;
  const child = namespace.spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  return { [Symbol.dispose]: () => void child.kill('SIGKILL') };
}

/** Whether a TCP connection out of a namespace is answered. */
async function reach(namespace: Namespace, host: string, port: number, from?: string, wait = 1500): Promise<boolean> {
  return await inNamespace(namespace, async () => {
    const socket = connect({ host, port, ...(from === undefined ? {} : { localAddress: from }) });
    const answer = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => {
        resolve(true);
      });
      socket.once('error', () => {
        resolve(false);
      });
      setTimeout(resolve, wait, false).unref();
    });
    socket.destroy();
    return answer;
  });
}

/** Runs nmap at the gate with a stranger's address. */
function nmap(house: Household, family: 4 | 6, ...options: string[]): string {
  const device = /^\d+: (v\w+)/m.exec(house.world.run('ip', ['-o', 'link', 'show', 'type', 'veth']))?.[1] ?? '';
  const six = family === 6 ? ['-6'] : [];
  return house.world.run('nmap', ['-n', ...six, '-S', STRANGER[family], '-e', device, ...options, GATE[family]]);
}

/** What a scan of a thousand ports of each kind draws an answer from: `tcp/80 open`, `udp/53 closed`. */
function scan(house: Household, family: 4 | 6): string[] {
  const fast = ['-T4', '--min-rate', '2000', '--max-retries', '1'];
  const out = nmap(house, family, '-Pn', '-sS', '-sU', '--top-ports', '1000', ...fast, '-oG', '-');
  assert.match(out, /Status: Up/);
  return [...out.matchAll(/(\d+)\/(open|closed|unfiltered)\/(tcp|udp)\//g)]
    .map(([, port = '', state = '', protocol = '']) => `${protocol}/${port} ${state}`)
    .sort();
}

/** Whether an echo request is answered. */
function ping(house: Household, family: 4 | 6): boolean {
  return nmap(house, family, '-sn', '-PE', '--disable-arp-ping').includes('Host is up');
}

/** Publishes tcp/8080 of the gate as Docker does: an address translation in front of routing, into a namespace of its own. */
function publish(house: Household, container: Namespace): void {
  house.gateSide.connect(
    container,
    FAMILIES.map((family) => `${BRIDGE[family]}/${family === 4 ? '24' : '64'}`),
    FAMILIES.map((family) => `${CONTAINER[family]}/${family === 4 ? '24' : '64'}`),
  );
  house.gateSide.run('sysctl', ['-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
  for (const family of FAMILIES) {
    container.run('ip', [`-${String(family)}`, 'route', 'add', 'default', 'via', BRIDGE[family]]);
    const target = family === 4 ? `${CONTAINER[4]}:80` : `[${CONTAINER[6]}]:80`;
    house.gateSide.run(
      'nft',
      ['-f', '-'],
      `table ip${family === 4 ? '' : '6'} published {
        chain prerouting {
          type nat hook prerouting priority dstnat
          fib daddr type local tcp dport 8080 dnat to ${target}
        }
        chain postrouting {
          type nat hook postrouting priority srcnat
          ip${family === 4 ? '' : '6'} saddr ${CONTAINER[family]} masquerade
        }
      }`,
    );
  }
}

/** Runs `posternd confirm` over ssh from an address of the world. */
function confirmOver(house: Household, sshd: Sshd, from: string): Ran {
  const command = [...PROGRAMS.posternd, 'confirm', '--config', house.gate.config, '--json'].join(' ');
  const bound = ['-o', `BindAddress=${from}`, '-o', 'ConnectTimeout=3', '-p', String(sshd.port), GATE[4]];
  try {
    return { code: 0, out: house.world.run('ssh', [...sshd.clientArguments, ...bound, command]), err: '' };
  } catch (error) {
    const { status, stdout, stderr } = error as { status: number; stdout: string; stderr: string };
    return { code: status, out: stdout, err: stderr };
  }
}

test(
  'a dark host: strangers meet silence but for what is allowed, its own network works, and unconfirmed all is undone',
  { skip, timeout: 240_000 },
  async (context) => {
    await using house = await Household.build({ services: SERVICES });
    await using sshd = await Sshd.start(house.gateSide);
    assert.ok(sshd.pid > 0);
    using container = new Namespace('inside');
    publish(house, container);
    using _gate = await serve(house.gateSide, 80, 443);
    using _container = await serve(container, 80);
    using _world = await serve(house.world, 9000);
    house.join();
    for (const port of [22, 80, 443, 8080]) assert.equal(await house.reaches(port, STRANGER[4]), true);
    for (const family of FAMILIES) assert.equal(ping(house, family), true);

    await context.test('nobody goes dark without thinking of the way back', () => {
      assert.match(house.gate.command('dark', '--try', '60').err, /--force/);
      assert.match(house.gate.command('dark', '--allow', 'tcp/0').err, /--allow.*tcp\/0/s);
      assert.equal(darkness(house), undefined);
    });

    house.gate.json('dark', '--allow', 'tcp/80', '--try', '300');
    assert.equal(darkness(house)?.state, 'trying');

    for (const family of FAMILIES) {
      await context.test(`IPv${String(family)}: a scan sees the allowed port and nothing else`, () => {
        assert.deepEqual(scan(house, family), ['tcp/80 open']);
        assert.equal(ping(house, family), false);
      });

      await context.test(
        `IPv${String(family)}: a published port of a container is covered, its own traffic is not`,
        async () => {
          assert.equal(await house.reaches(8080, STRANGER[family]), false);
          assert.equal(await reach(container, DEVICE[family], 9000), true);
        },
      );

      await context.test(
        `IPv${String(family)}: a knock opens the service that nobody protected, for its device`,
        async () => {
          assert.equal(await house.reaches(22, DEVICE[family], 500), false);
          assert.equal(house.postern('knock', 'demo', `-${String(family)}`).code, 0);
          assert.equal(await house.reaches(22, DEVICE[family]), true);
          assert.equal(await house.reaches(22, STRANGER[family], 500), false);
        },
      );
    }

    await context.test('after the neighbours have been forgotten both families work, in both directions', async () => {
      for (const side of [house.gateSide, house.world]) {
        side.run('sh', ['-c', 'for f in /proc/sys/net/ipv[46]/neigh/*/base_reachable_time_ms; do echo 100 > $f; done']);
        side.run('ip', ['neigh', 'flush', 'all']);
      }
      await sleep(1000);
      for (const family of FAMILIES) {
        assert.equal(await reach(house.gateSide, DEVICE[family], 9000), true, `own connection, IPv${String(family)}`);
        house.gateSide.run('ip', ['neigh', 'flush', 'all']);
        house.world.run('ip', ['neigh', 'flush', 'all']);
        assert.equal(await house.reaches(22, DEVICE[family]), true, `a granted one, IPv${String(family)}`);
      }
      // What has aged is asked for again, by unicast.
      await sleep(1000);
      assert.equal(await house.reaches(22, DEVICE[6]), true);
    });

    await context.test('unconfirmed, the kernel undoes it, although the daemon was killed', async () => {
      house.gate.json('undo');
      assert.equal(await house.reaches(443, STRANGER[4]), true);
      const { until } = house.gate.json('dark', '--try', '12', '--force') as { until: string };
      await house.gate.stop('SIGKILL');
      assert.equal(await house.reaches(443, STRANGER[4], 300), false);
      await sleep(Math.max(0, Date.parse(until) - Date.now()) + 500);
      for (const family of FAMILIES) {
        assert.equal(await house.reaches(443, STRANGER[family]), true);
        assert.equal(await house.reaches(8080, STRANGER[family]), true);
        assert.equal(ping(house, family), true);
      }
      await house.gate.start();
      assert.equal(darkness(house), undefined);
      assert.equal(await house.reaches(443, STRANGER[6]), true);
    });
  },
);

test(
  'only who came in by a knock keeps a host dark; then it stays so whatever happens, until somebody undoes it',
  { skip, timeout: 240_000 },
  async (context) => {
    await using house = await Household.build({ services: SERVICES });
    await using sshd = await Sshd.start(house.gateSide);
    await using aside = await Sshd.start(house.gateSide, 2222);
    const said = (): string => readFileSync(house.gate.config, 'utf8');
    const silent = async (): Promise<void> => {
      assert.equal(await house.reaches(22, STRANGER[4], 500), false);
      assert.equal(await house.reaches(22, STRANGER[6], 500), false);
    };
    const open = async (): Promise<void> => {
      assert.equal(await house.reaches(22, STRANGER[4]), true);
      assert.equal(await house.reaches(22, STRANGER[6]), true);
    };

    await context.test('without a device it is refused', async () => {
      assert.match(house.gate.command('dark', '--try', '300').err, /no device could open anything/);
      await open();
    });

    house.join();

    await context.test('who came in otherwise cannot confirm, who knocked can', async () => {
      house.gate.json('dark', '--allow', 'tcp/2222', '--try', '300');
      const other = confirmOver(house, aside, STRANGER[4]);
      assert.match(other.err + other.out, /did not come in through a service that a knock opens/);
      assert.notEqual(confirmOver(house, sshd, STRANGER[4]).code, 0, 'a stranger reaches nothing');
      assert.doesNotMatch(said(), /dark/);
      assert.equal(house.postern('knock', 'demo', '-4').code, 0);
      assert.deepEqual(JSON.parse(confirmOver(house, sshd, DEVICE[4]).out), { services: [], dark: true });
      assert.match(said(), /^dark = true\nallow = \["tcp\/2222"\]$/m);
      assert.deepEqual(darkness(house), { state: 'dark', allow: ['tcp/2222'], trust: [] });
    });

    await context.test('it outlives a reload, flushed rules, and a start', async () => {
      house.gate.json('reload');
      await silent();
      house.gateSide.run('nft', ['flush', 'ruleset']);
      await sleep(1500);
      await silent();
      assert.equal(await house.reaches(2222, STRANGER[4]), true);
      await house.gate.stop('SIGKILL');
      await silent();
      await house.gate.start();
      await silent();
      await house.gate.stop();
      house.gateSide.run('nft', ['delete', 'table', 'inet', 'postern']);
      await house.gate.start();
      await silent();
      assert.equal(house.postern('knock', 'demo', '-6').code, 0);
      assert.equal(await house.reaches(22, DEVICE[6]), true);
    });

    await context.test('undo without a daemon opens the host, and it stays open', async () => {
      await house.gate.stop('SIGKILL');
      await silent();
      const undone = house.gate.json('undo') as object;
      assert.deepEqual(undone, { dark: 'confirmed', services: [], running: false, byHand: [] });
      await open();
      assert.match(said(), /^dark = false$/m);
      await house.gate.start();
      await open();
    });

    await context.test('undo with a daemon ends a trial, and with --all what is protected for good', async () => {
      house.gate.json('dark', '--try', '300');
      house.gate.json('protect', 'ssh', '--try', '300');
      await silent();
      assert.deepEqual(house.gate.json('undo'), { dark: 'trial', services: ['ssh'], running: true, byHand: [] });
      await open();
      assert.equal(darkness(house), undefined);
      assert.match(house.gate.command('confirm').err, /nothing is being tried/);
    });

    await context.test(
      'a start without any device that could open something leaves the host open, and says so',
      async () => {
        house.gate.json('dark', '--try', '300');
        assert.equal(house.postern('knock', 'demo', '-4').code, 0);
        assert.equal(confirmOver(house, sshd, DEVICE[4]).code, 0);
        house.gate.json('user', 'revoke', 'alice');
        house.gate.json('reload');
        await silent();
        await house.gate.stop();
        await house.gate.start();
        await open();
        assert.equal(darkness(house)?.state, 'no-way-in');
        assert.match(house.gate.log, /error: this host is not dark, although the configuration says so/);
      },
    );
  },
);
