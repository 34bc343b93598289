import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import process from 'node:process';
import { test } from 'node:test';
import { Namespace, namespacesAvailable } from '@postern/testkit';
import { runProgramIn } from '@postern/testkit/gate-process';
import { inNamespace } from '@postern/testkit/in-namespace';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'SKIPPED: network namespaces need root';

/** A counter of the kernel, of IPv4 (`Icmp InCsumErrors`) or IPv6 (`Icmp6InCsumErrors`). */
function counter(world: Namespace, name: string): number {
  const [group, field] = name.split(' ');
  if (field === undefined) {
    const line = world.run('cat', ['/proc/net/snmp6']).match(new RegExp(`^${name}\\s+(\\d+)$`, 'm'));
    return Number(line?.[1]);
  }
  const [names, values] = world
    .run('cat', ['/proc/net/snmp'])
    .split('\n')
    .filter((line) => line.startsWith(`${group ?? ''}:`))
    .map((line) => line.split(' '));
  return Number(values?.[names?.indexOf(field) ?? -1]);
}

function send(world: Namespace, order: object): string {
  const input = JSON.stringify({ payload: 'abc', port: 62_201, ...order });
  const { code, err } = runProgramIn(world, 'posternd', ['send-raw'], { input });
  return code === 0 ? '' : err;
}

test(
  'packets of raw sockets arrive, with checksums that the kernel finds right',
  { skip, timeout: 120_000 },
  async () => {
    using world = new Namespace('raw');
    for (const [type, here, other] of [
      ['udp4', '127.0.0.1', '192.0.2.7'],
      ['udp6', '::1', undefined],
    ] as const) {
      for (const source of other === undefined ? [undefined] : [undefined, other]) {
        const server = createSocket(type);
        await inNamespace(world, async () => {
          server.bind(62_201, here);
          await once(server, 'listening');
        });
        const heard = once(server, 'message');
        assert.equal(send(world, { transport: 'udpraw', to: here, source, sourcePort: 4_000 }), '');
        const [message, remote] = (await heard) as [Buffer, { address: string; port: number }];
        server.close();
        assert.equal(message.toString(), 'abc');
        assert.deepEqual([remote.address, remote.port], [source ?? here, 4_000]);
      }
    }
    const wrong = [
      'Icmp InCsumErrors',
      'Tcp InCsumErrors',
      'Udp InCsumErrors',
      'Icmp6InCsumErrors',
      'Udp6InCsumErrors',
    ];
    for (const [order, arrives] of [
      [{ transport: 'icmp', to: '127.0.0.1' }, 'Icmp InEchoReps'],
      [{ transport: 'icmp', to: '127.0.0.1', icmpType: 8 }, 'Icmp InEchos'],
      [{ transport: 'icmp', to: '::1' }, 'Icmp6InEchoReplies'],
      [{ transport: 'tcpraw', to: '127.0.0.1' }, 'Tcp OutRsts'],
      [{ transport: 'tcpraw', to: '::1' }, 'Tcp OutRsts'],
    ] as const) {
      const before = counter(world, arrives);
      assert.equal(send(world, order), '');
      assert.equal(counter(world, arrives), before + 1, arrives);
    }
    for (const name of wrong) assert.equal(counter(world, name), 0, name);
    assert.match(send(world, { transport: 'tcpraw', to: 'gate' }), /not an order to send: to/);
  },
);
