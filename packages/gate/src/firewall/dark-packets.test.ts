import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import process from 'node:process';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Seconds } from '@postern/protocol';
import { Namespace, namespacesAvailable } from '@postern/testkit';
import { completeChecksum } from '@postern/testkit/checksum';
import { Recorder } from '@postern/testkit/recorder';
import { readFlows } from './flows.ts';
import { fragments, frame, tcpSegment, udpDatagram, type Around } from './frames.fixture.ts';
import { bytesOf, NftablesStage, SCENE, within } from './nftables-stage.fixture.ts';
import type { Exceptions, Plan } from './port.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NOT RUN: network namespaces need root';

const PLAN: Plan = { knockPort: 62201, dropKnocks: true };
const OK = { ok: true } as const;
const NOTHING: Exceptions = { endpoints: [], protocols: [], ping: false, interfaces: [] };
const FAMILIES = [4, 6] as const;
const TCP = { protocol: 'tcp', port: 2201 } as const;
const MULTICAST_MAC = { 4: '01005e000001', 6: '333300000001' } as const;

function darkStage(exceptions: Partial<Exceptions> = {}): NftablesStage {
  const stage = new NftablesStage();
  stage.firewall.install(PLAN);
  assert.deepEqual(stage.firewall.darken({ ...NOTHING, ...exceptions }, undefined), OK);
  return stage;
}

/** What came to the client's device from the gate while `code` ran, neighbour discovery apart; by protocol number. */
async function answers(stage: NftablesStage, code: () => Promise<void> | void, wait = 300): Promise<number[]> {
  await using recorder = await Recorder.start(stage.client, stage.devices.there);
  await code();
  await sleep(wait);
  await recorder.settle();
  return recorder.packets.filter(({ direction }) => direction === 'in').map(({ protocol }) => protocol);
}

/** The same frame with another hop limit, or time to live. */
function hops(bytes: Buffer, limit: number, family: 4 | 6): Buffer {
  const copy = Buffer.from(bytes);
  if (family === 6) copy[14 + 7] = limit;
  else {
    // The header's checksum follows by the difference (RFC 1624): the field stands in the upper byte of its word.
    const before = copy.readUInt16BE(14 + 8);
    copy[14 + 8] = limit;
    let sum = (~copy.readUInt16BE(14 + 10) & 0xffff) + (~before & 0xffff) + copy.readUInt16BE(14 + 8);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    copy.writeUInt16BE(~sum & 0xffff, 14 + 10);
  }
  return copy;
}

/** A hop-by-hop options header in front of what an IPv6 frame carries; `options` are six bytes. */
function hopByHop(bytes: Buffer, options: readonly number[]): Buffer {
  const whole = Buffer.concat([
    bytes.subarray(0, 54),
    Buffer.from([bytes[20] ?? 0, 0, ...options]),
    bytes.subarray(54),
  ]);
  whole[20] = 0;
  whole.writeUInt16BE(whole.length - 54, 18);
  return whole;
}

function macsTo(stage: NftablesStage, destination: string): Uint8Array {
  return Buffer.concat([Buffer.from(destination, 'hex'), stage.macs.subarray(6)]);
}

/** A counter of /proc/net/snmp6 of the gate. */
function counter(stage: NftablesStage, name: string): number {
  const found = new RegExp(`^${name}\\s+(\\d+)`, 'm').exec(stage.gate.run('cat', ['/proc/net/snmp6']));
  return Number(found?.[1]);
}

function linkLocal(namespace: Namespace, device: string): Uint8Array {
  const text = /fe80:[0-9a-f:]+/.exec(namespace.run('ip', ['-6', 'address', 'show', 'dev', device]))?.[0];
  return bytesOf(text ?? '');
}

async function eventually(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!holds()) {
    assert.ok(Date.now() < deadline, what);
    await sleep(50);
  }
}

/** A server in the namespace of the moment that sends back what it gets. */
function echoServer(): Disposable & { readonly port: number } {
  const peers = new Set<Socket>();
  const server = createServer((peer) => {
    peers.add(peer.on('error', () => peer.destroy()));
    peer.pipe(peer);
  });
  // Without a host: with one it would listen a moment later, and elsewhere.
  server.listen({ port: 9000 });
  return {
    port: 9000,
    [Symbol.dispose]: () => {
      for (const peer of peers) peer.destroy();
      server.close();
    },
  };
}

/** A connection that begins in a namespace: what is said comes back. */
async function speak(
  namespace: Namespace,
  host: string,
  port: number,
): Promise<Disposable & { says(word: string): Promise<string> }> {
  const code = `const s = require('node:net').connect(${String(port)}, '${host}', () => console.error('ready'));
    process.stdin.pipe(s).pipe(process.stdout);`;
  const child = namespace.spawn(process.execPath, ['-e', code], { stdio: ['pipe', 'pipe', 'pipe'] });
  const { stdin, stdout, stderr } = child;
  assert.ok(stdin && stdout && stderr);
  await once(stderr, 'data');
  return {
    says: async (word) => {
      let heard = '';
      const took = (chunk: Buffer): void => {
        heard += chunk.toString();
      };
      stdout.on('data', took);
      stdin.write(word);
      await eventually('what was said comes back', () => heard.length >= word.length);
      stdout.off('data', took);
      return heard;
    },
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
  };
}

describe('a dark host and real packets', { skip, timeout: 240_000 }, () => {
  for (const family of FAMILIES) {
    const from = bytesOf(SCENE.clients[family][0]);
    const to = bytesOf(SCENE.gate[family]);
    const icmp = family === 4 ? 1 : 58;

    test(`IPv${family}: whatever a stranger sends draws no byte: segments, datagrams, pings, unknown protocols, half a packet`, async () => {
      await using stage = darkStage();
      stage.gate.run('sysctl', [
        '-qw',
        'net.ipv4.ipfrag_time=1',
        'net.ipv6.ip6frag_time=1',
        'net.netfilter.nf_conntrack_frag6_timeout=1',
      ]);
      const base = { macs: stage.macs, from, to };
      const send = (protocol: number, payload: Uint8Array): Buffer => frame({ ...base, protocol, payload }, family);
      const echo = Buffer.from([family === 4 ? 8 : 128, 0, 0, 0, 0, 7, 0, 1, 1, 2, 3, 4]);
      const half: Around = { ...base, protocol: 17, payload: udpDatagram(44_002, 9, Buffer.alloc(200)) };
      const packets = [
        ...['S', 'A', 'SA', 'FPU', 'R', 'F', ''].map((flags, i) => send(6, tcpSegment(41_000 + i, 2201, flags))),
        ...['S', 'A'].map((flags, i) => send(6, tcpSegment(41_100 + i, 9, flags))),
        send(17, udpDatagram(42_000, 9, Buffer.from('x'))),
        send(17, udpDatagram(67, 68, Buffer.from('x'))),
        send(17, udpDatagram(547, 546, Buffer.from('x'))),
        send(icmp, icmpChecked(echo, family, from, to)),
        ...[2, 4, 41, 47, 50, 51, 89, 112, 132, 250].map((protocol) => send(protocol, Buffer.alloc(24, 1))),
        ...fragments(half, family, 104, 9).slice(0, 1),
        // An option in front of everything that nobody knows and that asks for an answer (RFC 8200, section 4.2).
        ...(family === 6 ? [hopByHop(send(17, udpDatagram(42_001, 9, Buffer.alloc(8))), [0x80, 4, 0, 0, 0, 0])] : []),
        ...(family === 6 ? [send(59, Buffer.alloc(8))] : []),
      ];
      const heard = await answers(
        stage,
        () => {
          stage.sendFrames(packets);
        },
        2200,
      );
      assert.deepEqual(heard, []);
      assert.equal(stage.reached.size, 0);
      // The same packets draw answers, also the half one, where the host is not dark: the test can see.
      assert.deepEqual(stage.firewall.lighten(), OK);
      const lit = await answers(
        stage,
        () => {
          stage.sendFrames(packets);
        },
        2200,
      );
      assert.ok(lit.filter((protocol) => protocol === 6).length >= 4, lit.join());
      assert.ok(lit.filter((protocol) => protocol === icmp).length >= 4, lit.join());
    });

    test(`IPv${family}: what is allowed is let in: a protocol, pings, an interface; and its errors go out`, async () => {
      const around = { from, to, protocol: icmp };
      const echo = icmpChecked(Buffer.from([family === 4 ? 8 : 128, 0, 0, 0, 0, 7, 0, 1]), family, from, to);
      await using stage = darkStage({ ping: true });
      const { macs } = stage;
      const pinged = (): Promise<number[]> =>
        answers(stage, () => {
          stage.sendFrames([frame({ ...around, macs, payload: echo }, family)]);
        });
      assert.deepEqual(await pinged(), [icmp]);
      assert.deepEqual(stage.firewall.darken({ ...NOTHING, protocols: [250] }, undefined), OK);
      assert.deepEqual(await pinged(), []);
      const unknown = await answers(stage, () => {
        stage.sendFrames([frame({ ...around, macs, protocol: 250, payload: Buffer.alloc(24) }, family)]);
      });
      assert.deepEqual(unknown, [], 'it is let in, but that nobody waits for it is not said');
      const [name] = [stage.devices.here];
      for (const trusted of [name, `${name.slice(0, 3)}*`]) {
        assert.deepEqual(stage.firewall.darken({ ...NOTHING, interfaces: [trusted] }, undefined), OK);
        assert.ok(await stage.connect(from, TCP));
        const dead = await answers(stage, () => {
          stage.sendFrames([
            frame({ ...around, macs, protocol: 17, payload: udpDatagram(42_000, 9, Buffer.alloc(1)) }, family),
          ]);
        });
        assert.deepEqual(dead, [icmp]);
        await sleep(1100); // the kernel says so once a second
      }
      assert.deepEqual(stage.firewall.darken({ ...NOTHING, interfaces: ['other*'] }, undefined), OK);
      assert.equal(await stage.connect(from, TCP), undefined);
    });

    test(`IPv${family}: a session that conntrack never saw survives, the host's own as well as a client's, when it is seeded`, async () => {
      await using stage = new NftablesStage();
      const live = await stage.connect(from, TCP, 40_010);
      using server = within(stage.client, () => echoServer());
      using own = await speak(stage.gate, SCENE.clients[family][0], server.port);
      stage.firewall.install(PLAN);
      stage.gate.run('sysctl', ['-qw', 'net.netfilter.nf_conntrack_tcp_loose=0']);
      const flows = within(stage.gate, () => readFlows());
      assert.deepEqual(stage.firewall.seed(flows, 60 as Seconds), OK);
      assert.deepEqual(stage.firewall.darken(NOTHING, undefined), OK);
      assert.equal(await live?.talks(), true);
      assert.equal(await own.says('still here'), 'still here');
      assert.equal(await stage.connect(from, TCP), undefined);
    });

    test(`IPv${family}: a smaller link on the way is learned of, by what a router says about the host's own packets`, async () => {
      await using stage = darkStage();
      using far = new Namespace('far');
      const there = family === 4 ? '10.99.0.2' : 'fd99::2';
      const size = family === 4 ? '24' : '64';
      const link = stage.client.connect(
        far,
        [`${family === 4 ? '10.99.0.1' : 'fd99::1'}/${size}`],
        [`${there}/${size}`],
      );
      for (const [side, device] of [
        [stage.client, link.here],
        [far, link.there],
      ] as const)
        side.run('ip', ['link', 'set', device, 'mtu', '1300']);
      stage.client.run('sysctl', ['-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
      const via = SCENE.clients[family][0];
      stage.gate.run('ip', [`-${family}`, 'route', 'add', `${there}/${family === 4 ? '32' : '128'}`, 'via', via]);
      far.run('ip', [`-${family}`, 'route', 'add', 'default', 'via', family === 4 ? '10.99.0.1' : 'fd99::1']);
      // The far side would say in its first segment how little it takes, and nobody would need the router.
      far.run('ip', [
        `-${family}`,
        'route',
        'change',
        'default',
        'via',
        family === 4 ? '10.99.0.1' : 'fd99::1',
        'advmss',
        '1440',
      ]);
      using server = within(far, () => echoServer());
      using own = await speak(stage.gate, there, server.port);
      const word = 'x'.repeat(200_000);
      assert.equal((await own.says(word)).length, word.length);
      assert.match(stage.gate.run('ip', [`-${family}`, 'route', 'get', there]), /mtu 1300/);
    });
  }

  test('an advertisement of a router gives the host an address and a route; from beyond the link it does not', async () => {
    await using stage = darkStage();
    const device = stage.devices.here;
    stage.gate.run('sysctl', ['-qw', `net.ipv6.conf.${device}.accept_ra=2`, `net.ipv6.conf.${device}.accept_dad=0`]);
    const router = linkLocal(stage.client, stage.devices.there);
    const advertise = (prefix: string): Buffer => {
      const payload = Buffer.alloc(16 + 32);
      payload.set([134, 0, 0, 0, 64, 0, 0x07, 0x08]);
      // A prefix for addresses of one's own (RFC 4861, section 4.6.2).
      payload.set([3, 4, 64, 0xc0, 0, 0, 0x0e, 0x10, 0, 0, 0x0e, 0x10], 16);
      payload.set(bytesOf(prefix), 32);
      const all = bytesOf('ff02::1');
      const macs = macsTo(stage, MULTICAST_MAC[6]);
      return frame({ macs, from: router, to: all, protocol: 58, payload }, 6);
    };
    const addresses = (): string => stage.gate.run('ip', ['-6', 'address', 'show', 'dev', device]);
    stage.sendFrames([hops(advertise('fdaa::'), 254, 6), hops(advertise('fdbb::'), 255, 6)]);
    await eventually('an address of the prefix', () => addresses().includes('fdbb:'));
    assert.doesNotMatch(addresses(), /fdaa:/);
    assert.match(stage.gate.run('ip', ['-6', 'route']), /default via fe80:.* proto ra/);
  });

  test('a question for members of multicast groups is answered, in both families', async () => {
    await using stage = darkStage();
    const router = linkLocal(stage.client, stage.devices.there);
    const payload = Buffer.alloc(28);
    payload.set([130, 0, 0, 0, 0, 10]);
    payload.set([2, 1], 24);
    const plain = frame(
      { macs: macsTo(stage, MULTICAST_MAC[6]), from: router, to: bytesOf('ff02::1'), protocol: 58, payload },
      6,
    );
    // Router alert for MLD, and padding (RFC 3810, section 5).
    const query = hopByHop(hops(plain, 1, 6), [5, 2, 0, 0, 1, 0]);
    const before = counter(stage, 'Icmp6OutMLDv2Reports');
    stage.sendFrames([query]);
    await eventually('a report', () => counter(stage, 'Icmp6OutMLDv2Reports') > before);

    // Somebody listens to mDNS.
    const member = createSocket({
      type: 'udp4',
      lookup: (host, _options, done) => {
        done(null, host, 4);
      },
    });
    within(stage.gate, () => {
      member.bind(5353, '0.0.0.0');
    });
    within(stage.gate, () => {
      member.addMembership('224.0.0.251', SCENE.gate[4]);
    });
    await sleep(1500); // what it says of itself has been said
    const igmp = Buffer.alloc(12);
    igmp.set([0x11, 10, 0, 0, 0, 0, 0, 0, 2, 1]);
    igmp.writeUInt16BE(~(igmp.readUInt16BE(0) + igmp.readUInt16BE(8)) & 0xffff, 2);
    const ask = frame(
      {
        macs: macsTo(stage, MULTICAST_MAC[4]),
        from: bytesOf(SCENE.clients[4][0]),
        to: bytesOf('224.0.0.1'),
        protocol: 2,
        payload: igmp,
      },
      4,
    );
    const heard = await answers(
      stage,
      () => {
        stage.sendFrames([hops(ask, 1, 4)]);
      },
      2500,
    );
    assert.ok(heard.includes(2), heard.join());
    member.close();
  });

  test('answers to a DHCP client arrive, by broadcast too, and datagrams for other listeners do not', async () => {
    await using stage = darkStage();
    const got: string[] = [];
    const listen = (port: number, family: 4 | 6): Disposable => {
      const socket = createSocket({
        type: `udp${family}`,
        lookup: (host, _options, done) => {
          done(null, host, family);
        },
      });
      within(stage.gate, () => {
        socket.bind(port, family === 4 ? '0.0.0.0' : '::');
      });
      socket.on('message', (message) => got.push(message.toString()));
      return { [Symbol.dispose]: () => void socket.close() };
    };
    using _client4 = listen(68, 4);
    using _client6 = listen(546, 6);
    using _names = listen(5353, 4);
    const macs = macsTo(stage, 'ffffffffffff');
    const server = bytesOf(SCENE.clients[4][0]);
    const gate = linkLocal(stage.gate, stage.devices.here);
    const peer = linkLocal(stage.client, stage.devices.there);
    const send = (
      to: Uint8Array,
      around: Partial<Around>,
      family: 4 | 6,
      ports: [number, number],
      word: string,
    ): Buffer =>
      frame(
        {
          macs: stage.macs,
          from: family === 4 ? server : peer,
          to,
          protocol: 17,
          payload: udpDatagram(...ports, Buffer.from(word)),
          ...around,
        },
        family,
      );
    stage.sendFrames([
      send(bytesOf('255.255.255.255'), { macs }, 4, [67, 68], 'broadcast'),
      send(bytesOf(SCENE.gate[4]), {}, 4, [67, 68], 'unicast'),
      send(bytesOf(SCENE.gate[4]), {}, 4, [1067, 68], 'no server'),
      send(gate, {}, 6, [547, 546], 'six'),
      send(bytesOf(SCENE.gate[6]), { from: bytesOf(SCENE.clients[6][0]) }, 6, [547, 546], 'not by the link'),
      send(bytesOf(SCENE.gate[4]), {}, 4, [40_000, 5353], 'mdns'),
      send(bytesOf('224.0.0.251'), { macs: macsTo(stage, '01005e0000fb') }, 4, [5353, 5353], 'mdns to all'),
    ]);
    await eventually('three answers', () => got.length >= 3);
    await sleep(200);
    assert.deepEqual(got.sort(), ['broadcast', 'six', 'unicast']);
  });
});

/** An ICMP message with its checksum; ICMPv6's is written by the frame. */
function icmpChecked(message: Buffer, family: 4 | 6, from: Uint8Array, to: Uint8Array): Buffer {
  if (family === 6) {
    const whole = frame({ macs: Buffer.alloc(12), from, to, protocol: 58, payload: message }, 6);
    completeChecksum(whole);
    return whole.subarray(54);
  }
  const copy = Buffer.from(message);
  copy.writeUInt16BE(0, 2);
  let sum = 0;
  for (let i = 0; i < copy.length; i += 2) sum += copy.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  copy.writeUInt16BE(~sum & 0xffff, 2);
  return copy;
}
