import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Seconds } from '@postern/protocol';
import { Namespace, namespacesAvailable } from '@postern/testkit';
import { Recorder } from '@postern/testkit/recorder';
import { readFlows } from './flows.ts';
import { fragments, frame, tcpSegment, udpDatagram, type Around } from './frames.fixture.ts';
import { bytesOf, NftablesStage, SCENE, within } from './nftables-stage.fixture.ts';
import type { Change, Endpoint, Plan } from './port.ts';
import { LAYOUT, TABLE } from './table.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NOT RUN: network namespaces need root';

const PLAN: Plan = { knockPort: 62201, dropKnocks: true };
const OK = { ok: true } as const;
const ID = '0011223344556677';
const LONG = 60 as Seconds;
const HOUR = 3600 as Seconds;
const TCP: Endpoint = { protocol: 'tcp', port: 2201 };
const UDP: Endpoint = { protocol: 'udp', port: 2201 };
const FAMILIES = [4, 6] as const;

function set(address: Uint8Array, endpoint: Endpoint): Change {
  const family = address[0] === 0xfd ? 6 : 4;
  return { kind: 'set', source: { family, address, prefix: family === 4 ? 32 : 128 }, endpoint, seconds: LONG, id: ID };
}

function arm(address: Uint8Array, endpoint: Endpoint, slot = 0): Change {
  const { source } = set(address, endpoint);
  return { kind: 'arm', source, endpoint, seconds: LONG, id: ID, slot };
}

function protectedStage(endpoints: readonly Endpoint[] = [TCP, UDP]): NftablesStage {
  const stage = new NftablesStage();
  stage.firewall.install(PLAN);
  assert.deepEqual(stage.firewall.protect(endpoints, undefined), OK);
  return stage;
}

/** What came to the client's device from the gate while `code` ran. */
async function answers(stage: NftablesStage, code: () => Promise<void> | void): Promise<number> {
  await using recorder = await Recorder.start(stage.client, stage.devices.there);
  await code();
  await sleep(200);
  await recorder.settle();
  return recorder.packets.filter(({ direction }) => direction === 'in').length;
}

describe('the firewall and real packets', { skip }, () => {
  for (const family of FAMILIES) {
    const from = bytesOf(SCENE.clients[family][0]);
    const to = bytesOf(SCENE.gate[family]);

    test(`IPv${family}: no segment or datagram of a stranger draws a byte or reaches a service, however it is made`, async () => {
      await using stage = protectedStage();
      const { macs } = stage;
      const base = { macs, from, to };
      const tcp = (port: number, flags: string): Around => ({
        ...base,
        protocol: 6,
        payload: tcpSegment(port, TCP.port, flags),
      });
      const udp = (port: number, size: number): Around => ({
        ...base,
        protocol: 17,
        payload: udpDatagram(port, UDP.port, Buffer.alloc(size, 'ping')),
      });
      const flags = ['S', 'SEC', 'SP', 'SU', 'SF', 'SR', 'SA', 'A', 'F', 'FA', 'R', 'RA', 'FPU', 'P', 'SFRPAU', ''];
      const packets = [
        ...flags.map((letters, i) => frame(tcp(41_000 + i, letters), family)),
        ...flags.map((letters, i) => frame({ ...tcp(42_000 + i, letters), options: true }, family)),
        ...fragments(tcp(43_000, 'S'), family, 8),
        frame(udp(44_000, 4), family),
        frame({ ...udp(44_001, 4), options: true }, family),
        ...fragments(udp(44_002, 200), family, 8, 8),
        ...fragments(udp(44_003, 200), family, 104, 9),
        // Too short for a header.
        frame({ ...base, protocol: 6, payload: tcpSegment(44_004, TCP.port, 'S').subarray(0, 8) }, family),
      ];
      const heard = await answers(stage, () => {
        stage.sendFrames(packets);
      });
      assert.equal(heard, 0);
      assert.equal(stage.reached.size, 0);

      // The same packets draw answers, and reach the services, where nothing is protected: the test can see.
      assert.deepEqual(stage.firewall.unprotect([TCP, UDP]), OK);
      const unprotected = await answers(stage, () => {
        stage.sendFrames(packets);
      });
      assert.ok(unprotected > 10, `${unprotected} answers`);
      assert.equal(stage.reached.get('udp/2201'), 4);
    });

    test(`IPv${family}: fragments and options of who may come in reach the service`, async () => {
      await using stage = protectedStage();
      assert.deepEqual(stage.firewall.apply([set(from, UDP)]), OK);
      const around: Around = {
        macs: stage.macs,
        from,
        to,
        protocol: 17,
        payload: udpDatagram(45_000, UDP.port, Buffer.alloc(200)),
      };
      stage.sendFrames([...fragments(around, family, 104), frame({ ...around, options: true }, family)]);
      await sleep(100);
      assert.equal(stage.reached.get('udp/2201'), 2);
    });

    test(`IPv${family}: an admitted single connection survives the loss of its first packet`, async () => {
      await using stage = protectedStage();
      const who = `${family === 4 ? 'ip' : 'ip6'} saddr . tcp sport`;
      stage.gate.run(
        'nft',
        ['-f', '-'],
        `table inet loss {
          set lost { typeof ${who}; flags dynamic; size 100; }
          chain c {
            type filter hook input priority 0
            tcp dport ${TCP.port} tcp flags & (syn|ack) == syn ${who} != @lost add @lost { ${who} } drop
          }
        }`,
      );
      assert.deepEqual(stage.firewall.apply([arm(from, TCP)]), OK);
      const patient = await stage.connect(from, TCP, 40_002, 3000);
      assert.equal(await patient?.talks(), true);
      assert.equal(await stage.connect(from, TCP, 40_004, 1500), undefined);
    });

    test(`IPv${family}: nothing but the first packet of a connection uses up a place`, async () => {
      await using stage = protectedStage();
      const around = { macs: stage.macs, from, to, protocol: 6 };
      assert.deepEqual(stage.firewall.apply([arm(from, TCP)]), OK);
      const flags = ['SA', 'A', 'F', 'FA', 'R', 'RA', 'SF', 'SR', 'FPU', ''];
      const packets = flags.map((letters, i) =>
        frame({ ...around, payload: tcpSegment(49_000 + i, TCP.port, letters) }, family),
      );
      stage.sendFrames(packets);
      await sleep(50);
      const only = await stage.connect(from, TCP);
      assert.equal(await only?.talks(), true);
    });

    test(`IPv${family}: after the service's own reset the same port begins a second connection, and stays outside`, async () => {
      await using stage = protectedStage();
      assert.deepEqual(stage.firewall.apply([arm(from, TCP)]), OK);
      const first = await stage.connect(from, TCP, 40_003);
      first?.says('reset');
      assert.equal(await first?.talks(), false);
      first?.[Symbol.dispose]();
      assert.equal(await stage.connect(from, TCP, 40_003), undefined);
    });

    test(`IPv${family}: a session that conntrack never saw survives protection when it is seeded, and only then`, async () => {
      await using stage = new NftablesStage();
      const [seeded, forgotten] = [await stage.connect(from, TCP, 40_010), await stage.connect(from, TCP, 40_011)];
      assert.ok(seeded && forgotten);
      stage.firewall.install(PLAN);
      const flows = within(stage.gate, () => readFlows([TCP.port]));
      assert.deepEqual(flows.map(({ remotePort }) => remotePort).sort(), [40_010, 40_011]);
      assert.ok(flows.every((flow) => flow.family === family && flow.localPort === TCP.port));
      assert.deepEqual(
        stage.firewall.seed(
          flows.filter(({ remotePort }) => remotePort === 40_010),
          HOUR,
        ),
        OK,
      );
      assert.deepEqual(stage.firewall.protect([TCP], LONG), OK);
      assert.equal(await seeded.talks(), true);
      assert.equal(await forgotten.talks(), false, 'without it the session would have died: the test can see');
      assert.equal(await stage.connect(from, TCP), undefined);
    });

    test(`IPv${family}: where conntrack takes up no connection in its middle, a seeded session lives as long as it talks`, async () => {
      await using stage = new NftablesStage();
      stage.gate.run('sysctl', ['-qw', 'net.netfilter.nf_conntrack_tcp_loose=0']);
      const live = await stage.connect(from, TCP, 40_012);
      stage.firewall.install(PLAN);
      assert.deepEqual(
        stage.firewall.seed(
          within(stage.gate, () => readFlows([TCP.port])),
          2 as Seconds,
        ),
        OK,
      );
      assert.deepEqual(stage.firewall.protect([TCP], undefined), OK);
      assert.equal(await live?.talks(), true);
      await sleep(2200);
      assert.equal(await live?.talks(), true);
      assert.equal(await stage.connect(from, TCP), undefined);
    });

    test(`IPv${family}: a single flow without answers is carried on, and keeps itself alive`, async () => {
      await using stage = protectedStage();
      assert.deepEqual(stage.firewall.apply([arm(from, UDP)]), OK);
      const around: Around = {
        macs: stage.macs,
        from,
        to,
        protocol: 17,
        payload: udpDatagram(46_000, UDP.port, Buffer.from('quiet')),
      };
      const quiet = frame(around, family);
      stage.sendFrames([quiet]);
      await sleep(1500);
      const remaining = (): number =>
        Number(/expires (\d+)s/.exec(stage.gate.run('nft', ['list', 'set', 'inet', TABLE, `flows${family}`]))?.[1]);
      assert.equal(remaining(), 28);
      stage.sendFrames([quiet]);
      assert.equal(remaining(), 29);
      stage.sendFrames([frame({ ...around, payload: udpDatagram(46_001, UDP.port, Buffer.from('quiet')) }, family)]);
      await sleep(100);
      assert.equal(stage.reached.get('udp/2201'), 2);
    });

    test(`IPv${family}: the host reaches its own protected services`, async () => {
      await using stage = protectedStage();
      const address = SCENE.gate[family];
      const script = `const s=require('net').connect(${TCP.port},'${address}',()=>{console.log('in');process.exit()});setTimeout(()=>process.exit(1),2000)`;
      const child = await new Promise<string>((resolve) => {
        const spawned = stage.gate.spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
        let output = '';
        spawned.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
        spawned.on('exit', () => {
          resolve(output);
        });
      });
      assert.equal(child, 'in\n');
    });

    test(`IPv${family}: a dead listener of knocks stays silent, with options or without`, async () => {
      await using stage = new NftablesStage();
      stage.firewall.install({ knockPort: 62201, dropKnocks: false });
      const knock: Around = {
        macs: stage.macs,
        from,
        to,
        protocol: 17,
        payload: udpDatagram(47_000, 62_201, Buffer.alloc(352)),
      };
      const other: Around = { ...knock, payload: udpDatagram(47_000, 62_202, Buffer.alloc(352)) };
      const both = [frame(knock, family), frame({ ...knock, options: true }, family)];
      assert.equal(
        await answers(stage, () => {
          stage.sendFrames(both);
        }),
        0,
      );
      assert.equal(stage.firewall.knocks(), 2, 'they are counted all the same');
      const heard = await answers(stage, () => {
        stage.sendFrames([frame(other, family)]);
      });
      assert.equal(heard, 1, 'another closed port answers: the test can see');
      stage.serveUdp(62_201);
      stage.sendFrames(both);
      await sleep(100);
      assert.equal(stage.reached.get('udp/62201'), 2, 'a living one hears them');
    });

    test(`IPv${family}: knocks are dropped in front of the port, counted, and the count outlives a repair`, async () => {
      await using stage = new NftablesStage();
      stage.firewall.install(PLAN);
      stage.serveUdp(62_201);
      const knock: Around = {
        macs: stage.macs,
        from,
        to,
        protocol: 17,
        payload: udpDatagram(47_000, 62_201, Buffer.alloc(352)),
      };
      stage.sendFrames([frame(knock, family), frame(knock, family), ...fragments(knock, family, 8)]);
      stage.firewall.install(PLAN);
      stage.sendFrames([frame(knock, family)]);
      await sleep(100);
      assert.equal(stage.firewall.knocks(), 4);
      assert.equal(stage.reached.get('udp/62201'), undefined);
    });

    test(`IPv${family}: what only passes through the gate is let through, what the gate redirects is held`, async () => {
      await using stage = protectedStage([TCP, { protocol: 'tcp', port: 8201 }]);
      using inner = new Namespace('fwinner');
      const [near, far] = family === 4 ? ['10.78.0.1/16', '10.78.0.2/16'] : ['fd78::1/64', 'fd78::2/64'];
      stage.gate.connect(inner, [near], [far]);
      const inside = far.replace(/\/.*/, '');
      stage.gate.run('sysctl', ['-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
      const back =
        family === 4
          ? ['route', 'add', '10.77.0.0/16', 'via', '10.78.0.1']
          : ['-6', 'route', 'add', 'fd77::/64', 'via', 'fd78::1'];
      const there =
        family === 4
          ? ['route', 'add', '10.78.0.0/16', 'via', '10.77.0.1']
          : ['-6', 'route', 'add', 'fd78::/64', 'via', 'fd77::1'];
      inner.run('ip', back);
      stage.client.run('ip', there);
      const nat = `table inet nat { chain c { type nat hook prerouting priority dstnat; tcp dport 8201 dnat ${family === 4 ? 'ip' : 'ip6'} to ${family === 4 ? inside : `[${inside}]`}:2201;\n}\n}`;
      stage.gate.run('nft', ['-f', '-'], nat);
      const server = inner.spawn(
        process.execPath,
        ['-e', `require('net').createServer(s=>s.pipe(s)).listen(2201,'::',()=>console.log('up'))`],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      await new Promise((resolve) => server.stdout?.once('data', resolve));
      const through = await stage.reach(from, TCP, bytesOf(inside));
      assert.ok(through, 'the same port of another host is none of ours');
      const published: Endpoint = { protocol: 'tcp', port: 8201 };
      assert.equal(await stage.connect(from, published), undefined);
      assert.deepEqual(stage.firewall.apply([arm(from, published)]), OK);
      const redirected = await stage.connect(from, published);
      assert.equal(await redirected?.talks(), true);
      assert.equal(await stage.connect(from, published), undefined);
    });
  }

  test('whatever kind of address of the gate a stranger sends to, its services are protected', async () => {
    const UDP4: Endpoint = { protocol: 'udp', port: 2204 };
    await using stage = protectedStage([UDP, UDP4]);
    // A socket of family 6 gets no multicast of IPv4.
    stage.serveUdp(UDP4.port, 4);
    // A router answers at the first address of its networks, too.
    stage.gate.run('sysctl', ['-qw', 'net.ipv6.conf.all.forwarding=1']);
    const { mac } = stage.link(stage.gate, stage.devices.here);
    const source = stage.link(stage.client, stage.devices.there).mac;
    const [local, peer] = ['fe80::77:1', 'fe80::77:2'];
    stage.gate.run('ip', ['address', 'add', `${local}/64`, 'dev', stage.devices.here, 'nodad']);
    const packet = (to: string, from: string, destination: Uint8Array): Buffer => {
      const family = to.includes(':') ? 6 : 4;
      const payload = udpDatagram(48_000, family === 4 ? UDP4.port : UDP.port, Buffer.from('quiet'));
      const macs = Buffer.concat([destination, source]);
      return frame({ macs, from: bytesOf(from), to: bytesOf(to), protocol: 17, payload }, family);
    };
    const everybody = Buffer.alloc(6, 0xff);
    const [client4] = SCENE.clients[4];
    const [client6] = SCENE.clients[6];
    const to4 = [
      packet('255.255.255.255', client4, everybody),
      packet('10.77.255.255', client4, everybody),
      packet('224.0.0.1', client4, Buffer.from('01005e000001', 'hex')),
    ];
    const to6 = [
      packet('ff02::1', client6, Buffer.from('333300000001', 'hex')),
      packet('ff02::1', peer, Buffer.from('333300000001', 'hex')),
      packet('fd77::', client6, mac),
      packet(local, peer, mac),
    ];
    stage.sendFrames([...to4, ...to6]);
    await sleep(100);
    assert.equal(stage.reached.size, 0);
    assert.deepEqual(stage.firewall.unprotect([UDP, UDP4]), OK);
    stage.sendFrames([...to4, ...to6]);
    await sleep(100);
    const reached = [stage.reached.get('udp/2204'), stage.reached.get('udp/2201')];
    assert.deepEqual(reached, [to4.length, to6.length], 'unprotected they arrive: the test can see');
  });

  test('a hundred doors let in exactly a hundred, however many come at once', async () => {
    await using stage = protectedStage();
    const doors = Array.from({ length: 100 }, (_, i) => `10.77.100.${i + 1}`);
    const lines = doors.map((address) => `address add ${address}/16 dev ${stage.devices.there}`).join('\n');
    stage.client.run('ip', ['-batch', '-'], lines);
    assert.deepEqual(stage.firewall.apply(doors.map((address, i) => arm(bytesOf(address), TCP, i % 32))), OK);
    const start = Date.now() + 1500;
    const counts = await Promise.all(
      [0, 1, 2].map(async () => {
        const args = [
          ...process.execArgv,
          join(import.meta.dirname, 'race.fixture.ts'),
          '2201',
          String(start),
          ...doors,
        ];
        const child = stage.client.spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
        let output = '';
        child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
        await new Promise((resolve) => child.once('close', resolve));
        return Number(output);
      }),
    );
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      doors.length,
      counts.join(' + '),
    );
  });

  test('a process that is killed leaves the doors as they are, and the next adopts them', async () => {
    await using stage = new NftablesStage();
    const child = stage.gate.spawn(
      process.execPath,
      [...process.execArgv, join(import.meta.dirname, 'doomed.fixture.ts')],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const signal = await new Promise((resolve) => child.once('close', (_code, ended) => resolve(ended)));
    assert.equal(signal, 'SIGKILL');
    const left = JSON.parse(output) as unknown[];
    assert.equal(left.length, 2);
    const [timed, single, stranger] = stage.clients[4];
    assert.ok(await stage.connect(timed, TCP));
    stage.firewall.install(PLAN);
    assert.deepEqual(
      stage.firewall
        .list()
        .openings.map(({ id, slot }) => JSON.stringify({ id, slot }))
        .sort(),
      left.map((opening) => JSON.stringify(opening)).sort(),
    );
    assert.equal(await stage.connect(stranger, TCP), undefined);
    const live = await stage.connect(single, TCP);
    assert.equal(await live?.talks(), true);
    assert.equal(await stage.connect(single, TCP), undefined);
  });

  test('a table that was changed by hand is repaired, and nothing of it is lost', async () => {
    await using stage = protectedStage();
    const [timed, single, stranger] = stage.clients[4];
    assert.deepEqual(stage.firewall.apply([set(timed, TCP), arm(single, TCP, 31)]), OK);
    stage.gate.run(
      'nft',
      ['-f', '-'],
      `flush chain inet ${TABLE} door4\nadd rule inet ${TABLE} door accept\ninsert rule inet ${TABLE} gate accept\n`,
    );
    assert.ok(await stage.connect(stranger, TCP), 'it was broken');
    stage.firewall.install(PLAN);
    assert.equal(await stage.connect(stranger, TCP), undefined);
    assert.ok(await stage.connect(timed, TCP));
    assert.ok(await stage.connect(single, TCP));
    assert.equal(await stage.connect(single, TCP), undefined);
  });

  test('a table of another layout is made anew with what it held, and is never open meanwhile', async () => {
    await using stage = protectedStage();
    const [timed, single, stranger] = stage.clients[4];
    const [timed6, , stranger6] = stage.clients[6];
    const wide = { ...set(timed6, TCP).source, prefix: 64 };
    const changes: Change[] = [
      set(timed, TCP),
      arm(single, TCP, 31),
      { kind: 'set', source: wide, endpoint: TCP, seconds: LONG, id: ID },
      { kind: 'set', source: { ...wide, prefix: 127 }, endpoint: TCP, seconds: LONG, id: ID },
    ];
    assert.deepEqual(stage.firewall.apply(changes), OK);
    assert.deepEqual(stage.firewall.protect([UDP], LONG), OK);
    const before = stage.firewall.list();
    const remake = (change: (text: string) => string): void => {
      const text = stage.gate.run('nft', ['-s', 'list', 'table', 'inet', TABLE]);
      stage.gate.run('nft', ['-f', '-'], `delete table inet ${TABLE}\n${change(text)}`);
    };
    const facts = ({ openings, protections }: typeof before): string[] =>
      [...openings, ...protections]
        .map((held) => JSON.stringify({ ...held, remaining: held.remaining === undefined }))
        .sort();
    for (const change of [
      (text: string) => text.replace(LAYOUT, 'Postern, layout 0'),
      (text: string) => text.replace(`comment "${LAYOUT}"`, ''),
      // The right name, but chains and sets that cannot be repaired.
      (text: string) => text.replace('priority dstnat - 10', 'priority -90'),
      (text: string) =>
        text
          .replace(/set flows4 \{\s*type ipv4_addr/, 'set flows4 {\ntype ipv6_addr')
          .replace(/ip saddr \. (th|tcp) sport .*@flows4.*\n/g, '\n')
          .replace(/.*add @flows4.*\n/g, ''),
    ]) {
      remake(change);
      stage.firewall.install(PLAN);
      assert.deepEqual(facts(stage.firewall.list()), facts(before));
      assert.ok(stage.gate.run('nft', ['list', 'table', 'inet', TABLE]).includes(LAYOUT));
    }
    assert.equal(await stage.connect(stranger, TCP), undefined);
    assert.ok(await stage.connect(stranger6, TCP), 'the wide prefix');
    assert.ok(await stage.connect(timed, TCP));
    assert.ok(await stage.connect(single, TCP));
    assert.equal(await stage.connect(single, TCP), undefined);
  });

  test('other tables and rules of the host are as they were, with it and after it', async () => {
    await using stage = new NftablesStage();
    stage.gate.run(
      'nft',
      ['-f', '-'],
      'table inet mine { set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 } }\nchain c { type filter hook input priority 0; tcp dport 9 drop\n}\n}',
    );
    const before = stage.gate.run('nft', ['list', 'ruleset']);
    stage.firewall.install(PLAN);
    assert.ok(stage.gate.run('nft', ['list', 'ruleset']).includes(before.trim()));
    stage.firewall.remove();
    assert.equal(stage.gate.run('nft', ['list', 'ruleset']), before);
  });

  test('a host that cannot have it is told why and what to do', () => {
    using namespace = new Namespace('fwbare');
    const open = `import { openNftables } from '${join(import.meta.dirname, 'nftables.ts')}';
      try { openNftables(); console.log('opened') } catch (e) { console.log(e.name + '|' + e.message + '|' + e.hint) }`;
    const run = (...before: string[]): string => {
      const command = [...before, process.execPath, ...process.execArgv, '--input-type=module', '-e', open];
      const { stdout, stderr } = spawnSync('ip', ['netns', 'exec', namespace.name, ...command], { encoding: 'utf8' });
      return stdout + stderr;
    };
    assert.equal(run(), 'opened\n');
    assert.match(run('setpriv', '--bounding-set=-net_admin'), /^PersonError\|.*CAP_NET_ADMIN\|.*run as root/);
    const hide =
      'for f in $(ldconfig -p | sed -n "s/.*libnftables.so.1.*=> //p"); do mount --bind /dev/null $f; done; exec "$@"';
    assert.match(
      run('unshare', '--mount', 'sh', '-c', hide, 'sh'),
      /^PersonError\|cannot load libnftables\.so\.1\|.*apt install libnftables1/,
    );
  });
});
