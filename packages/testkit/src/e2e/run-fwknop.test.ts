import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FwknopClient, fwknopAvailable } from '../fwknop-client.ts';
import { PROGRAMS } from '../gate-process.ts';
import { DEVICE, GATE, Household, STRANGER } from '../household.ts';
import { inNamespace } from '../in-namespace.ts';
import { namespacesAvailable } from '../namespace.ts';

const able = namespacesAvailable() && fwknopAvailable();
const skip = able || process.env['CI'] === 'true' ? false : 'NEEDS ROOT AND fwknop: script/bootstrap test';

const PORT = 8022;
/** Throw-away keys. */
const ACCESS = `SOURCE ANY
KEY_BASE64 ${Buffer.alloc(32, 7).toString('base64')}
HMAC_KEY_BASE64 ${Buffer.alloc(64, 9).toString('base64')}
OPEN_PORTS tcp/${String(PORT)}
FW_ACCESS_TIMEOUT 3
`;
const RC = `[gate]
SPA_SERVER ${GATE[4]}
ACCESS tcp/${String(PORT)}
ALLOW_IP ${DEVICE[4]}
KEY_BASE64 ${Buffer.alloc(32, 7).toString('base64')}
HMAC_KEY_BASE64 ${Buffer.alloc(64, 9).toString('base64')}
`;

test(
  "posternd runs straight from fwknopd's configuration, for the real client",
  { skip, timeout: 90_000 },
  async () => {
    await using house = await Household.build({
      start: false,
      services: `[services.web]\nports = ["tcp/${String(PORT)}"]\n`,
    });
    const { gate, gateSide, world } = house;
    const directory = join(gate.directory, 'fwknop');
    mkdirSync(directory);
    writeFileSync(join(directory, 'fwknopd.conf'), 'PCAP_INTF eth0;\n');
    writeFileSync(join(directory, 'access.conf'), ACCESS, { mode: 0o600 });
    const service = createServer((socket) => socket.destroy());
    await inNamespace(gateSide, () => new Promise<void>((done) => service.listen(PORT, '::', done)));
    using client = new FwknopClient(world);
    client.configure(RC);
    try {
      await gate.startProgram(PROGRAMS.posternd[2], ['run', '--fwknop', directory, '--config', gate.config]);
      const protect = gate.command('protect', 'web', '--try', '120');
      assert.equal(protect.code, 0, protect.err);
      assert.equal(await house.reaches(PORT, DEVICE[4], 200), false);
      const { code, out, err } = await client.run('-n', 'gate', '--no-save-args');
      assert.equal(code, 0, out + err);
      const deadline = Date.now() + 2_000;
      let open = false;
      while (!open && Date.now() < deadline) open = await house.reaches(PORT, DEVICE[4], 200);
      assert.ok(open, gate.log);
      assert.equal(await house.reaches(PORT, STRANGER[4], 200), false);
      await sleep(3_500);
      assert.equal(await house.reaches(PORT, DEVICE[4], 200), false, gate.log);
    } finally {
      service.close();
    }
  },
);
