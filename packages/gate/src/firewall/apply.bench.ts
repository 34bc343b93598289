/**
 * `node apply.bench.ts`, as root: prints how long installing, listing and one change take, in a network namespace of its own, with
 * an empty ruleset and with an interval set of 20,000 elements in another table.
 */
import process from 'node:process';
import type { Seconds } from '@postern/protocol';
import { Namespace } from '@postern/testkit';
import { within } from './nftables-stage.fixture.ts';
import { openNftables } from './nftables.ts';
import type { Change, Firewall } from './port.ts';

const ROUNDS = 2000;
const endpoint = { protocol: 'tcp', port: 22 } as const;
const id = '0011223344556677';
const seconds = 60 as Seconds;

const target = {
  address: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 3, 7),
  port: 22,
  masquerade: false,
};

function change(kind: 'set' | 'arm', n: number, forwarded: boolean): Change {
  const address = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 1, n >>> 8, n & 255);
  const source = { family: 4, address, prefix: 32 } as const;
  const grant = { source, endpoint, seconds, id, target: forwarded ? target : undefined };
  return kind === 'set' ? { kind, ...grant } : { kind, ...grant, slot: 0 };
}

function microseconds(code: () => unknown): number {
  const start = process.hrtime.bigint();
  code();
  return Number(process.hrtime.bigint() - start) / 1000;
}

function report(what: string, times: number[]): void {
  times.sort((a, b) => a - b);
  const at = (share: number): string => (times[Math.floor(times.length * share)] ?? 0).toFixed(0);
  process.stdout.write(`  ${what.padEnd(10)} median ${at(0.5)} µs, p99 ${at(0.99)} µs (${times.length} rounds)\n`);
}

function measure(title: string, firewall: Firewall): void {
  process.stdout.write(`${title}\n`);
  const install = (): void => {
    firewall.install({ knockPort: 62201, dropKnocks: true, forwards: true });
  };
  firewall.remove();
  report('install', [microseconds(install)]);
  report('repair', [microseconds(install)]);
  firewall.protect([endpoint], undefined);
  for (const [kind, forwarded] of [
    ['set', false],
    ['arm', false],
    ['set', true],
    ['arm', true],
  ] as const) {
    const times = Array.from({ length: ROUNDS }, (_unused, n) => {
      const one = [change(kind, forwarded ? ROUNDS + n : n, forwarded)];
      return microseconds(() => {
        const applied = firewall.apply(one);
        if (!applied.ok) throw new Error(applied.reason);
      });
    });
    report(kind + (forwarded ? ', led' : ''), times);
  }
  report(
    'knocks',
    Array.from({ length: ROUNDS }, () => microseconds(() => firewall.knocks())),
  );
  report('list', [microseconds(() => firewall.list())]);
}

using namespace = new Namespace('fwbench');
using firewall = within(namespace, openNftables);
within(namespace, () => {
  measure('empty ruleset', firewall);
});
const elements = Array.from({ length: 20_000 }, (_unused, i) => `40.${i >>> 7}.${(i & 127) * 2}.1`).join(', ');
const other = `table inet other {\n set blocked { type ipv4_addr; flags interval; elements = { ${elements} }\n }\n}\n`;
namespace.run('nft', ['-f', '-'], other);
within(namespace, () => {
  measure('interval set of 20,000 elements in another table', firewall);
});
