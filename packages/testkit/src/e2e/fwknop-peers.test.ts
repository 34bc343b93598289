/** Debian's fwknop and fwknopd with each other: what the kit's peers do before ours take the place of one of them. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import process from 'node:process';
import { test } from 'node:test';
import { FwknopClient, fwknopAvailable } from '../fwknop-client.ts';
import { Fwknopd, fwknopdAvailable } from '../fwknopd.ts';
import { inNamespace } from '../in-namespace.ts';
import { Namespace, namespacesAvailable } from '../namespace.ts';
import { tcpAnswers } from '../tcp-answer.ts';

const able = namespacesAvailable() && fwknopdAvailable() && fwknopAvailable();
const skip = able || process.env['CI'] === 'true' ? false : 'NEEDS ROOT AND fwknop: script/bootstrap test';
const sleep = (milliseconds: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, milliseconds));

const [GATE, CLIENT, STRANGER] = ['10.94.0.1', '10.94.0.2', '10.94.0.66'] as const;
const PORT = 8022;
const ACCESS = `SOURCE ANY
KEY a-passphrase
HMAC_KEY another-passphrase
OPEN_PORTS tcp/${String(PORT)}
FW_ACCESS_TIMEOUT 3
`;
const RC = `[gate]
SPA_SERVER ${GATE}
ACCESS tcp/${String(PORT)}
ALLOW_IP ${CLIENT}
KEY a-passphrase
HMAC_KEY another-passphrase
`;

for (const mode of ['sniffing', 'UDP server'] as const) {
  test(`the real client opens a hidden port of the real server for a while, ${mode}`, { skip }, async () => {
    using gate = new Namespace('gate');
    using world = new Namespace('world');
    const { here } = gate.connect(world, [`${GATE}/24`], [`${CLIENT}/24`, `${STRANGER}/24`]);
    gate.run('iptables', ['-A', 'INPUT', '-p', 'tcp', '--dport', String(PORT), '-j', 'DROP']);
    const service = createServer((socket) => socket.destroy());
    await inNamespace(gate, () => new Promise<void>((done) => service.listen(PORT, '0.0.0.0', done)));
    using client = new FwknopClient(world);
    client.configure(RC);
    const answers = (localAddress: string): Promise<boolean> =>
      inNamespace(world, () => tcpAnswers({ host: GATE, port: PORT, localAddress }, 200));
    const within = async (seconds: number, wanted: boolean): Promise<boolean> => {
      for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(50))
        if ((await answers(CLIENT)) === wanted) return true;
      return false;
    };
    try {
      await using daemon = await Fwknopd.start(gate, {
        access: ACCESS,
        capture: mode === 'sniffing' ? { device: here } : 'udp-server',
      });
      assert.equal(await answers(CLIENT), false);
      const { code, out, err } = await client.run('-n', 'gate', '--no-save-args');
      assert.equal(code, 0, out + err);
      assert.ok(await within(5, true), daemon.log);
      assert.equal(await answers(STRANGER), false);
      assert.ok(await within(10, false), daemon.log);
      assert.match(daemon.log, /Added access rule .* for 10\.94\.0\.2 /);
    } finally {
      service.close();
    }
  });
}
