/** `node doomed.fixture.ts`: installs, protects and opens in the namespace it runs in, says so, and dies at once. */
import { writeSync } from 'node:fs';
import process from 'node:process';
import { parseAddress, type Seconds } from '@postern/protocol';
import { openNftables } from './nftables.ts';

const firewall = openNftables();
firewall.install({ knockPort: 62201, dropKnocks: true });
const endpoint = { protocol: 'tcp', port: 2201 } as const;
const seconds = 60 as Seconds;
const id = '0011223344556677';
const address = parseAddress('10.77.0.2') ?? new Uint8Array(16);
const other = parseAddress('10.77.0.3') ?? new Uint8Array(16);
const results = [
  firewall.protect([endpoint], undefined),
  firewall.apply([
    { kind: 'set', source: { family: 4, address, prefix: 32 }, endpoint, seconds, id },
    { kind: 'arm', source: { family: 4, address: other, prefix: 32 }, endpoint, seconds, id, slot: 5 },
  ]),
];
if (results.every((result) => result.ok))
  writeSync(1, JSON.stringify(firewall.list().openings.map(({ id, slot }) => ({ id, slot }))));
process.kill(process.pid, 'SIGKILL');
